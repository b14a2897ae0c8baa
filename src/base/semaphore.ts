/** So many at once; the rest wait in the order in which they came. */
export class Semaphore {
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * @param work may let the next one in before it ends
   * @throws `signal.reason` when the signal ends the wait
   */
  async use<T>(work: (letIn: () => void) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#take(signal);
    let isIn = true;
    const letIn = () => {
      if (!isIn) return;
      isIn = false;
      const next = this.#queue.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
    try {
      return await work(letIn);
    } finally {
      letIn();
    }
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
