/** So many at once; the rest wait in the order in which they came. */
export class Semaphore {
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * Waits for a place.
   *
   * @returns what gives it back; to do so again does nothing
   * @throws `signal.reason` when the signal ends the wait
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

  /** One place more. */
  widen(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }

  async #take(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(turn), 1);
        reject(signal?.reason);
      };
      const turn = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      this.#queue.push(turn);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }
}
