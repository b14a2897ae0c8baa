import { OverlayerError } from '../base/errors.js';

/**
 * Tells whoever watches. What is told again under the same key, before it was looked at, takes the place of
 * what was told.
 */
export type Tell<Event> = (event: Event, key?: number) => void;

/**
 * Work that has begun. `await` it for the result, `for await` it to watch, once: leaving the loop only ends the
 * watching, and only the signal that the work was given ends the work. A failure that neither takes is
 * unhandled, as of any promise.
 */
export class Task<Result, Event> implements PromiseLike<Result>, AsyncIterable<Event> {
  readonly #result: Promise<Result>;
  readonly #waiting: { event: Event; readonly key: number | undefined }[] = [];
  #watch: 'not yet' | 'watched' | 'left' = 'not yet';
  #awaited = false;
  #ended = false;
  #wake = () => {};

  constructor(work: (tell: Tell<Event>) => Promise<Result>) {
    this.#result = this.#run(work);
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting it is what it is for
  then<Done = Result, Failed = never>(
    onDone?: ((result: Result) => Done | PromiseLike<Done>) | null,
    onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    this.#awaited = true;
    return this.#result.then(onDone, onFailed);
  }

  /** Events until the work is done; it throws what the work fails with. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    if (this.#watch !== 'not yet')
      throw new OverlayerError('FailedPrecondition', 'A task can be watched once only');
    this.#watch = 'watched';
    // While the loop is busy with an event, a failure is not unhandled.
    this.#result.catch(() => {});
    try {
      for (;;) {
        const next = this.#waiting.shift();
        if (next !== undefined) yield next.event;
        else if (this.#ended) break;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
      this.#awaited = true;
      await this.#result;
    } finally {
      this.#watch = 'left';
      this.#waiting.length = 0;
      // Whoever left the loop to await the result has done so by then.
      setImmediate(() => this.#leaveFailure());
    }
  }

  async #run(work: (tell: Tell<Event>) => Promise<Result>): Promise<Result> {
    // The caller has the task first.
    await undefined;
    try {
      return await work((event, key) => this.#tell(event, key));
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #tell(event: Event, key: number | undefined): void {
    if (this.#watch === 'left') return;
    const told = key === undefined ? undefined : this.#waiting.findLast((waiting) => waiting.key === key);
    if (told === undefined) this.#waiting.push({ event, key });
    else told.event = event;
    this.#wake();
  }

  #leaveFailure(): void {
    void this.#result.catch((error: unknown) => {
      if (!this.#awaited) throw error;
    });
  }
}
