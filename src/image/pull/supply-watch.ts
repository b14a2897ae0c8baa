/** Within 100 ms a fast connection falls behind now and then, when others need the cores. */
const PERIOD_MS = 250;

/** Watches whether the bytes of a layer come slower than they are unpacked. Stop it with `using`. */
export class SupplyWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #periodBegan = performance.now();
  #waitBegan: number | undefined;
  #waitedMs = 0;

  /** @param onStarved at the end of each period of which more than half was spent on waiting */
  constructor(onStarved: () => void, periodMs = PERIOD_MS) {
    this.#timer = setInterval(() => this.#endPeriod() && onStarved(), periodMs);
  }

  /** One at a time. */
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
