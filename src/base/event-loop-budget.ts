/** Each takes 1 to 10 µs. */
const MOST_CALLS = 1024;
/** A buffer of 256 KiB, which `look` is called for, is read, hashed and written in about 0.3 ms. */
const CALLS_OF_A_LOOK = 64;

/**
 * Bounds work that the event loop waits for, to about 5 ms. A message to a thread and back takes 0.2 to 1 ms, so short work
 * is done sooner here. A thread begins longer work again.
 */
export class EventLoopBudget {
  #left: number = MOST_CALLS;
  #isExceeded = false;

  /** Whether the work was ended, because it takes longer. */
  get isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** @throws Error once, when the work takes too long. The work may then be undone without a bound. */
  charge(calls = 1): void {
    this.#left -= calls;
    if (this.#left >= 0 || this.#isExceeded) return;
    this.#isExceeded = true;
    throw new Error('The work takes too long for the event loop');
  }

  /** Charges the work of a buffer. @throws Error as `charge` */
  look(): void {
    this.charge(CALLS_OF_A_LOOK);
  }
}
