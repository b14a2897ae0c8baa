import { Semaphore } from './semaphore.js';

/** A thread, or several that work together. */
interface Poolable {
  /** It can no longer be used. */
  readonly broken: boolean;
  /** Whether running work keeps the process alive. */
  keepAlive(whileRunning: boolean): void;
  terminate(): Promise<void>;
}

/** An item that was taken. `dispose` gives it back. */
export interface Taken<Item> extends Disposable {
  readonly item: Item;
  /**
   * Call it before the work waits for its caller. The caller may itself wait for another item, so after `PATIENCE_MS` the
   * next user gets the place for good, and the work goes on beside it. The process can end meanwhile, because the caller may
   * have taken all that it wants.
   *
   * @returns a function to call when the caller is back
   */
  awaitCaller(): () => void;
}

/** So short that nested loops go on, so long that a slow caller does not add an item for each of many users. */
const PATIENCE_MS = 2000;

/**
 * Keeps items that are expensive to make. At most `size` are in use at once; further users wait, in the order in
 * which they came. Items whose users wait long for their callers do not count. An item is made when one is needed and
 * none is idle.
 */
export class Pool<Item extends Poolable> {
  readonly #make: () => Item;
  readonly #places: Semaphore;
  readonly #idle: Item[] = [];
  #inUse = 0;

  constructor(make: () => Item, size: number) {
    this.#make = make;
    this.#places = new Semaphore(size);
  }

  /** Makes an item, unless there is one, for a user who comes later. @param prepare is called with a new item */
  warmUp(prepare: (item: Item) => void = () => {}): void {
    if (this.#inUse > 0 || this.#idle.length > 0) return;
    const item = this.#make();
    prepare(item);
    this.#idle.push(item);
  }

  /** Runs `work` with an item. @throws `signal.reason` when the signal ends the wait for it */
  async use<T>(work: (item: Item) => Promise<T>, signal?: AbortSignal): Promise<T> {
    using taken = await this.take(signal);
    return await work(taken.item);
  }

  /** Takes an item for work that is not a promise. @throws as `use` */
  async take(signal?: AbortSignal): Promise<Taken<Item>> {
    const leave = await this.#places.enter(signal);
    try {
      const item = this.#takeIdle() ?? this.#make();
      this.#inUse += 1;
      return {
        item,
        awaitCaller() {
          const timer = setTimeout(leave, PATIENCE_MS).unref();
          item.keepAlive(false);
          return () => {
            clearTimeout(timer);
            item.keepAlive(true);
          };
        },
        [Symbol.dispose]: () => this.#giveBack(item, leave),
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Skips those that broke while they were idle. */
  #takeIdle(): Item | undefined {
    for (;;) {
      const item = this.#idle.pop();
      if (item?.broken !== true) return item;
      void item.terminate();
    }
  }

  #giveBack(item: Item, leave: () => void): void {
    this.#inUse -= 1;
    if (item.broken) void item.terminate();
    else this.#idle.push(item);
    leave();
  }
}
