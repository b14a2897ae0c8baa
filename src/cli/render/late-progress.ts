import type { LayerProgress } from '../../index.js';
import type { ProgressForm, ProgressView } from './progress.js';

/** Progress of work that does not wait until what shows it is loaded: the newest is kept meanwhile. */
export class LateProgress implements ProgressView {
  #latest: LayerProgress | undefined;
  #view: ProgressView | undefined;
  #ended = false;

  async load(form: ProgressForm): Promise<void> {
    const { createProgress } = await import('./progress.js');
    if (this.#ended) return;
    this.#view = createProgress(form);
    if (this.#latest) this.#view.update(this.#latest);
  }

  update(progress: LayerProgress): void {
    this.#latest = progress;
    this.#view?.update(progress);
  }

  end(): void {
    this.#ended = true;
    this.#view?.end();
  }
}
