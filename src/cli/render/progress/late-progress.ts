import type { LayerProgress, Task } from '../../../index.js';
import type { ProgressForm, ProgressView } from './progress.js';

/** Sooner a person sees nothing, so a short run need not load what shows it. */
const LOAD_AFTER_MS = 300;

/** Progress of work that does not wait for what shows it: it is loaded once there is something to show. */
export class LateProgress {
  readonly #form: ProgressForm;
  readonly #started = performance.now();
  #loading: Promise<void> | undefined;
  #view: ProgressView | undefined;
  #latest: LayerProgress | undefined;

  constructor(form: ProgressForm) {
    this.#form = form;
    // A program wants every object, from the first to the last.
    if (form === 'json') this.#loading = this.#load();
  }

  update(progress: LayerProgress): void {
    this.#latest = progress;
    if (this.#view) this.#view.update(progress);
    else if (this.#form !== 'none' && performance.now() - this.#started > LOAD_AFTER_MS)
      this.#loading ??= this.#load();
  }

  /** Shows the progress of a task until it ends. @returns its result */
  async show<Result>(task: Task<Result, LayerProgress>): Promise<Result> {
    try {
      for await (const progress of task) this.update(progress);
    } finally {
      await this.end();
    }
    return await task;
  }

  async end(): Promise<void> {
    await this.#loading;
    this.#view?.end();
  }

  async #load(): Promise<void> {
    const { createProgress } = await import('./progress.js');
    this.#view = createProgress(this.#form, this.#started);
    if (this.#latest) this.#view.update(this.#latest);
  }
}
