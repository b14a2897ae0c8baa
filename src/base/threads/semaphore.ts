import { setMaxListeners } from 'node:events';

/** Lets a limited number of users in at once. The others wait, in the order in which they came. */
export class Semaphore {
  readonly #queue: (() => void)[] = [];
  #free: number;

  /** @param size how many users may be in at once */
  constructor(size: number) {
    this.#free = size;
  }

  /**
   * Waits for a place.
   *
   * @returns a function that gives the place back; a second call does nothing
   * @throws `signal.reason` when the signal ends the wait, or was aborted before
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    await this.#take(signal);
    let isIn = true;
    return () => {
      if (!isIn) return;
      isIn = false;
      this.widen();
    };
  }

  /** Adds a place. */
  widen(): void {
    const next = this.#free < 0 ? undefined : this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  /** Removes a place. If none is free, the next user who leaves gives up theirs. */
  narrow(): void {
    this.#free -= 1;
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(enter), 1);
        reject(signal?.reason);
      };
      const enter = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      this.#queue.push(enter);
      if (signal === undefined) return;
      // Any number may wait with one signal. Node.js takes more than ten listeners for a leak, and prints a warning.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', leave, { once: true });
    });
  }
}
