import type { LayerProgress, Task } from '../../../index.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import type { ProgressView } from './layer-progress.js';

/** A person sees nothing earlier, so a short run does not load the display. */
const LOAD_AFTER_SECONDS = 0.3;

/** Shows progress, and loads the display in the meantime: the work does not wait for it. */
export class LateProgress {
  readonly #form: ProgressForm;
  readonly #started = process.uptime();
  #loading: Promise<void> | undefined;
  #view: ProgressView | undefined;
  #latest: LayerProgress | undefined;

  constructor(form: ProgressForm) {
    this.#form = form;
    // A program reads every object, from the first to the last.
    if (form === 'json') this.#loading = this.#load();
  }

  update(progress: LayerProgress): void {
    this.#latest = progress;
    if (this.#view) this.#view.update(progress);
    else if (this.#form !== 'none' && process.uptime() - this.#started > LOAD_AFTER_SECONDS)
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
    const { createProgress } = await import('./layer-progress.js');
    this.#view = createProgress(this.#form, this.#started);
    if (this.#latest) this.#view.update(this.#latest);
  }
}
