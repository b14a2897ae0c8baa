import { OverlayerError } from './errors.js';

/**
 * Work that has a result and events: a promise of the result, and an async iterable of the events. Neither needs the
 * other: `await` gives the result, `for await` gives the events, and each of them throws the failure of the work. The
 * signal that was given to the work ends it. There are two kinds of tasks.
 *
 * **The events are progress** (`unpackLayer`, `unpackSnapshot`, `unpackImage`, `Store.pull`, `Store.import`,
 * `Snapshotter.check`). The work begins at once and does not wait for the loop: events that stand for the same layer
 * replace each other until they are taken. Leaving the loop does not end the work.
 *
 * **The events are data** (`planLayer`: operations; `createDiff`, `diffSnapshot`, `diffMounts`, `exportImages`: bytes).
 * The work begins when the task is first iterated or awaited, so a task that is not used holds no threads. The work
 * goes as fast as the loop takes the data: await the result after the loop, or beside it, but not inside it. Leaving
 * the loop ends the work, and the result fails with `Cancelled`. A task that is awaited before it is iterated drops its
 * data.
 *
 * A task is iterated once. A second loop, and a loop over data that were dropped, fail with `FailedPrecondition`.
 *
 * @example
 * const diff = createDiff({ lower: 'before', upper: 'after' });
 * await writeFile('layer.tar.gz', diff);
 * const { descriptor } = await diff;
 */
export interface Task<Result, Event> extends Promise<Result>, AsyncIterable<Event, void, void> {}

/** Reports an event. It replaces an event with the same key that the loop has not taken yet. */
export type Tell<Event> = (event: Event, key?: number) => void;

/** A promise that is settled by its own methods. */
class OwnPromise<Result> extends Promise<Result> {
  readonly #resolve: (result: Result | PromiseLike<Result>) => void;
  readonly #reject: (error: unknown) => void;

  /** `then`, `catch` and `finally` give a plain promise. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  constructor() {
    let resolve!: (result: Result | PromiseLike<Result>) => void;
    let reject!: (error: unknown) => void;
    super((...settle) => ([resolve, reject] = settle));
    this.#resolve = resolve;
    this.#reject = reject;
  }

  protected resolve(result: Result | PromiseLike<Result>): void {
    this.#resolve(result);
  }

  protected reject(error: unknown): void {
    this.#reject(error);
  }

  /** The loop throws the failure, so an unhandled rejection would report it twice. */
  protected leaveFailureToLoop(): void {
    super.then(undefined, () => {});
  }
}

/** A task whose events are progress. */
export class ProgressTask<Result, Event> extends OwnPromise<Result> implements Task<Result, Event> {
  readonly #waiting: { event: Event; readonly key: number | undefined }[] = [];
  #loop: 'not yet' | 'running' | 'left' = 'not yet';
  #isAwaited = false;
  #hasEnded = false;
  #wake = () => {};

  constructor(work: (tell: Tell<Event>) => Promise<Result>) {
    super();
    this.resolve(this.#run(work));
  }

  // biome-ignore lint/suspicious/noThenProperty: a task is a promise
  override then<Done = Result, Failed = never>(
    onDone?: ((result: Result) => Done | PromiseLike<Done>) | null,
    onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    this.#isAwaited = true;
    return super.then(onDone, onFailed);
  }

  [Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    if (this.#loop !== 'not yet') throw iteratedTwice();
    this.#loop = 'running';
    this.leaveFailureToLoop();
    return this.#events();
  }

  async *#events(): AsyncGenerator<Event, void, void> {
    try {
      for (;;) {
        const next = this.#waiting.shift();
        if (next !== undefined) yield next.event;
        else if (this.#hasEnded) break;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
      await this;
    } finally {
      this.#loop = 'left';
      this.#waiting.length = 0;
      // Runs later, so that code after the loop can await the result first.
      setImmediate(() => this.#failUnlessAwaited());
    }
  }

  async #run(work: (tell: Tell<Event>) => Promise<Result>): Promise<Result> {
    try {
      return await work((event, key) => this.#tell(event, key));
    } finally {
      this.#hasEnded = true;
      this.#wake();
    }
  }

  #tell(event: Event, key: number | undefined): void {
    if (this.#loop === 'left') return;
    const same = key === undefined ? undefined : this.#waiting.findLast((waiting) => waiting.key === key);
    if (same === undefined) this.#waiting.push({ event, key });
    else same.event = event;
    this.#wake();
  }

  /** A failure that neither the loop nor the caller has taken is an unhandled rejection, as with any promise. */
  #failUnlessAwaited(): void {
    void super.then(undefined, (error: unknown) => {
      if (!this.#isAwaited) throw error;
    });
  }
}

/** A task whose events are data. */
export class DataTask<Result, Event> extends OwnPromise<Result> implements Task<Result, Event> {
  readonly #run: (wantsData: boolean) => AsyncGenerator<Event, Result, void>;
  #use: 'none yet' | 'iterated' | 'awaited' = 'none yet';

  /** @param run yields the data, and returns the result. Data that are not wanted are dropped, so it may yield none. */
  constructor(run: (wantsData: boolean) => AsyncGenerator<Event, Result, void>) {
    super();
    this.#run = run;
  }

  // biome-ignore lint/suspicious/noThenProperty: a task is a promise
  override then<Done = Result, Failed = never>(
    onDone?: ((result: Result) => Done | PromiseLike<Done>) | null,
    onFailed?: ((reason: unknown) => Failed | PromiseLike<Failed>) | null,
  ): Promise<Done | Failed> {
    if (this.#use === 'none yet') {
      this.#use = 'awaited';
      this.resolve(dropData(this.#run(false)));
    }
    return super.then(onDone, onFailed);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Event, void, void> {
    if (this.#use === 'iterated') throw iteratedTwice();
    if (this.#use === 'awaited')
      throw new OverlayerError(
        'FailedPrecondition',
        'The data of this task were dropped: its result was awaited first',
        { hint: 'begin to iterate the task, and then await it' },
      );
    this.#use = 'iterated';
    this.leaveFailureToLoop();
    return this.#loop(this.#run(true));
  }

  /** Not a generator: one that is left before its first step runs no code, so it could not reject the result. */
  #loop(data: AsyncGenerator<Event, Result, void>): AsyncIterableIterator<Event, void, void> {
    const loop: AsyncIterableIterator<Event, void, void> = {
      next: async () => {
        try {
          const { done, value } = await data.next();
          if (!done) return { done: false, value };
          this.resolve(value);
          return { done: true, value: undefined };
        } catch (error) {
          this.reject(error);
          throw error;
        }
      },
      return: async () => {
        try {
          await data.return(undefined as Result);
        } finally {
          this.reject(new OverlayerError('Cancelled', 'The loop over the task was left before its end'));
        }
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => loop,
    };
    return loop;
  }
}

async function dropData<Result>(data: AsyncGenerator<unknown, Result, void>): Promise<Result> {
  for (;;) {
    const { done, value } = await data.next();
    if (done) return value as Result;
  }
}

function iteratedTwice(): OverlayerError {
  return new OverlayerError('FailedPrecondition', 'A task can be iterated once only');
}
