/** Shorter periods, such as 100 ms, report fast connections as slow when other work needs the cores. */
const PERIOD_MS = 250;

/** Detects that the network is slower than unpacking. Stop it with `using`. */
export class SupplyWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #periodBegan = performance.now();
  #waitBegan: number | undefined;
  #waitedMs = 0;

  /** @param onStarved called at the end of each period of which more than half was spent waiting */
  constructor(onStarved: () => void, periodMs = PERIOD_MS) {
    this.#timer = setInterval(() => this.#endPeriod() && onStarved(), periodMs);
  }

  /** Measures one wait. Waits must not overlap. */
  async wait<T>(bytes: Promise<T>): Promise<T> {
    this.#waitBegan = performance.now();
    try {
      return await bytes;
    } finally {
      this.#waitedMs += performance.now() - this.#waitBegan;
      this.#waitBegan = undefined;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #endPeriod(): boolean {
    const now = performance.now();
    const waitedMs = this.#waitedMs + (now - (this.#waitBegan ?? now));
    const isStarved = waitedMs > (now - this.#periodBegan) / 2;
    this.#periodBegan = now;
    this.#waitedMs = 0;
    if (this.#waitBegan !== undefined) this.#waitBegan = now;
    return isStarved;
  }
}
