/** The counter that rises when bytes have come (or their end). */
export const DATA = 1;
/** The counter that rises when room has come. */
export const SPACE = 2;
/** The same for the caller's thread, which is woken by other means, for 40 µs: only when the room is for it. */
export const CALLER_SPACE = 3;
const ABORTED = 0;

/** Words of a gate's memory. */
export const GATE_WORDS = 4;

export type GateEvent = typeof DATA | typeof SPACE | typeof CALLER_SPACE;

/** Another thread failed, or the caller wants no more: stop, and leave the saying why to whoever knows. */
export class AbortedError extends Error {
  override readonly name = 'AbortedError';
}

/**
 * How the threads of one unpack wait for each other and stop together: two event counters and a flag in
 * shared memory. A waiter reads the counter before it looks, and sleeps only while it has not moved since,
 * so that no wake-up is lost.
 */
export class Gate {
  readonly #words: Int32Array;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  reset(): void {
    this.#words.fill(0);
  }

  /** What to hand to `wait`. */
  look(event: GateEvent): number {
    this.throwIfAborted();
    return Atomics.load(this.#words, event);
  }

  bump(event: GateEvent): void {
    Atomics.add(this.#words, event, 1);
    Atomics.notify(this.#words, event);
  }

  /** Blocks this thread until the counter is no longer `seen`. */
  wait(event: GateEvent, seen: number): void {
    Atomics.wait(this.#words, event, seen);
    this.throwIfAborted();
  }

  /** The same for the caller's thread, which may not block. */
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
