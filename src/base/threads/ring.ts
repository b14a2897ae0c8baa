import { CALLER_SPACE, DATA, type Gate, SPACE } from './gate.js';

const WRITTEN = 0;
const ENDED = 1;
const FIRST_READER = 2;
/** A reader has two words: its position, and whether it reads. */
const READER_WORDS = 2;

/** How many words the control memory of a ring has. */
export function ringWords(readers: number): number {
  return FIRST_READER + readers * READER_WORDS;
}

/** The shared memory of a ring. */
export interface RingMemory {
  readonly control: Int32Array;
  readonly data: SharedArrayBuffer;
  readonly readers: number;
}

/** @param size a power of two */
export function createRingMemory(size: number, readers: number): RingMemory {
  const control = new Int32Array(new SharedArrayBuffer(ringWords(readers) * 4));
  return { control, data: new SharedArrayBuffer(size), readers };
}

/**
 * Shared memory through which one thread passes bytes to others. Each reader has its own pace, and the slowest holds
 * the writer back. Positions count bytes modulo 2^32, so the size is a power of two.
 *
 * Waking a thread takes 30 µs. Readers are therefore told of the first bytes, then of twice as many each time, up to a quarter
 * of the ring, and of the end. The writer is told only of an eighth. No wake-up is missed: a full ring has passed the quarter,
 * and a reader without bytes has freed more than an eighth.
 */
export class Ring {
  readonly bytes: Buffer;
  readonly size: number;
  readonly #control: Int32Array;
  readonly #readers: number;
  readonly #gate: Gate;
  readonly #isCallers: boolean;
  /** Number of published bytes that the readers have not been told of. */
  #unannounced = 0;

  /** @param isCallers whether the caller's thread may be the writer */
  constructor(memory: RingMemory, gate: Gate, isCallers = false) {
    this.bytes = Buffer.from(memory.data);
    this.size = memory.data.byteLength;
    this.#control = memory.control;
    this.#readers = memory.readers;
    this.#gate = gate;
    this.#isCallers = isCallers;
  }

  /** Empties the ring; every reader reads. No thread may use it meanwhile. */
  reset(): void {
    this.#control.fill(0);
    for (let reader = 0; reader < this.#readers; reader++) this.#control[readerWord(reader) + 1] = 1;
  }

  /** How many bytes were written, modulo 2^32. */
  get written(): number {
    return Atomics.load(this.#control, WRITTEN);
  }

  /** How many bytes a reader has released, modulo 2^32. */
  released(reader: number): number {
    return Atomics.load(this.#control, readerWord(reader));
  }

  /** How many written bytes a reader has not released. */
  unreleased(reader: number): number {
    return (this.written - this.released(reader)) | 0;
  }

  /** Index in `bytes` at which the writer's room begins. */
  get writeIndex(): number {
    return Atomics.load(this.#control, WRITTEN) & (this.size - 1);
  }

  /** How many bytes the writer may write from `writeIndex` on, without wrapping around. */
  room(): number {
    return Math.min(this.#free(), this.size - this.writeIndex);
  }

  #free(): number {
    const written = Atomics.load(this.#control, WRITTEN);
    let used = 0;
    for (let reader = 0; reader < this.#readers; reader++) {
      const word = readerWord(reader);
      if (Atomics.load(this.#control, word + 1) === 0) continue;
      used = Math.max(used, (written - Atomics.load(this.#control, word)) | 0);
    }
    return this.size - used;
  }

  /** Blocks until there is room. @throws AbortedError */
  waitRoom(): number {
    for (;;) {
      const seen = this.#gate.look(SPACE);
      const room = this.room();
      if (room > 0) return room;
      this.#gate.wait(SPACE, seen);
    }
  }

  async waitRoomAsync(): Promise<number> {
    for (;;) {
      const seen = this.#gate.look(CALLER_SPACE);
      const room = this.room();
      if (room > 0) return room;
      await this.#gate.waitAsync(CALLER_SPACE, seen);
    }
  }

  publish(length: number): void {
    const before = Atomics.add(this.#control, WRITTEN, length);
    const announced = (before - this.#unannounced) >>> 0;
    this.#unannounced += length;
    if (this.#unannounced >= Math.min(announced, this.size / 4)) this.flush();
  }

  /**
   * Tells the readers of everything published. The writer calls it before a wait that does not depend on the readers.
   */
  flush(): void {
    // Otherwise the writer would wake itself: it may be waiting for the same counter.
    if (this.#unannounced === 0) return;
    this.#unannounced = 0;
    this.#gate.bump(DATA);
  }

  end(): void {
    Atomics.store(this.#control, ENDED, 1);
    this.#gate.bump(DATA);
  }

  get ended(): boolean {
    return Atomics.load(this.#control, ENDED) !== 0;
  }

  /** A reader that left reads again from its position. The other readers may not have released bytes behind it. */
  join(reader: number): void {
    Atomics.store(this.#control, readerWord(reader) + 1, 1);
  }

  /** The reader needs no more bytes, and no longer holds the writer back. */
  leave(reader: number): void {
    Atomics.store(this.#control, readerWord(reader) + 1, 0);
    this.#tellOfSpace();
  }

  readIndex(reader: number): number {
    return Atomics.load(this.#control, readerWord(reader)) & (this.size - 1);
  }

  /**
   * How many bytes a reader can read, without wrapping around; -1 at the end.
   *
   * @param held bytes that were read but not released
   */
  available(reader: number, held = 0): number {
    // The end is read first, because the writer publishes its bytes before it ends.
    const ended = this.ended;
    const read = Atomics.load(this.#control, readerWord(reader)) + held;
    const unread = (Atomics.load(this.#control, WRITTEN) - read) | 0;
    if (unread === 0) return ended ? -1 : 0;
    return Math.min(unread, this.size - (read & (this.size - 1)));
  }

  /** Blocks until there are bytes for a reader. @returns how many; -1 at the end */
  waitAvailable(reader: number): number {
    for (;;) {
      const seen = this.#gate.look(DATA);
      const available = this.available(reader);
      if (available !== 0) return available;
      this.#gate.wait(DATA, seen);
    }
  }

  /** Does the same as `waitAvailable` for the caller's thread, which may not block. */
  async waitAvailableAsync(reader: number): Promise<number> {
    for (;;) {
      const seen = this.#gate.look(DATA);
      const available = this.available(reader);
      if (available !== 0) return available;
      await this.#gate.waitAsync(DATA, seen);
    }
  }

  release(reader: number, length: number): void {
    Atomics.add(this.#control, readerWord(reader), length);
    if (this.#free() >= this.size / 8) this.#tellOfSpace();
  }

  #tellOfSpace(): void {
    this.#gate.bump(SPACE);
    if (this.#isCallers) this.#gate.bump(CALLER_SPACE);
  }
}

function readerWord(reader: number): number {
  return FIRST_READER + reader * READER_WORDS;
}
