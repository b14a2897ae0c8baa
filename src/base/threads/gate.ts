/** Counter of bytes that arrived, and of their end. */
export const DATA = 1;
/** Counter of room that became free. */
export const SPACE = 2;
/** Counter of room for the caller's thread. Waking it takes 40 µs, so only room in its own ring is counted. */
export const CALLER_SPACE = 3;
const ABORTED = 0;

/** How many words a gate has. */
export const GATE_WORDS = 4;

type GateEvent = typeof DATA | typeof SPACE | typeof CALLER_SPACE;

/** The gate was closed: another thread failed, or the caller asked for the end. That thread has the reason. */
export class AbortedError extends Error {
  override readonly name = 'AbortedError';
}

/**
 * Threads of a crew wait for each other at a gate, and stop together. It has event counters and a flag in shared
 * memory.
 *
 * To wait, a thread reads a counter (`look`), checks its condition, and then sleeps while the counter has that value
 * (`wait`). An event in between changes the counter, so no wake-up is lost.
 */
export class Gate {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  reset(): void {
    this.#words.fill(0);
  }

  /** Reads a counter, for `wait`. @throws AbortedError */
  look(event: GateEvent): number {
    this.throwIfAborted();
    return Atomics.load(this.#words, event);
  }

  bump(event: GateEvent): void {
    Atomics.add(this.#words, event, 1);
    Atomics.notify(this.#words, event);
  }

  /** Blocks until the counter is not `seen`. @throws AbortedError */
  wait(event: GateEvent, seen: number): void {
    Atomics.wait(this.#words, event, seen);
    this.throwIfAborted();
  }

  /** Does the same as `wait` for the caller's thread, which may not block. */
  async waitAsync(event: GateEvent, seen: number): Promise<void> {
    await Atomics.waitAsync(this.#words, event, seen).value;
    this.throwIfAborted();
  }

  abort(): void {
    Atomics.store(this.#words, ABORTED, 1);
    this.bump(DATA);
    this.bump(SPACE);
    this.bump(CALLER_SPACE);
  }

  throwIfAborted(): void {
    if (Atomics.load(this.#words, ABORTED) !== 0) throw new AbortedError();
  }
}
