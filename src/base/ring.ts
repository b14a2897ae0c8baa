import { CALLER_SPACE, DATA, type Gate, SPACE } from './gate.js';

const WRITTEN = 0;
const ENDED = 1;
const FIRST_READER = 2;
/** A reader is a position and whether it reads at all. */
const READER_WORDS = 2;

/** Words of control memory that a ring with so many readers takes. */
export function ringWords(readers: number): number {
  return FIRST_READER + readers * READER_WORDS;
}

/** A ring's shared memory: what crosses to the other threads. */
export interface RingMemory {
  readonly control: Int32Array;
  readonly data: SharedArrayBuffer;
  readonly readers: number;
}

/**
 * Bytes from one thread to several, in shared memory, each reader at its own pace; the slowest holds the writer
 * back. Positions count bytes modulo 2^32, so the size is a power of two.
 *
 * Waking a thread costs 30 µs here, so it is done for many bytes at once: readers are told of a quarter of the
 * ring, or the end; the writer of an eighth. Neither can miss its last call: a full ring has passed the quarter,
 * and a reader that has nothing left has freed more than the eighth.
 */
export class Ring {
  readonly bytes: Buffer;
  readonly size: number;
  readonly #control: Int32Array;
  readonly #readers: number;
  readonly #gate: Gate;
  readonly #isCallers: boolean;
  /** Bytes that the readers have not been told of. */
  #unannounced = 0;

  /** @param isCallers the writer may be the caller's thread */
  constructor(memory: RingMemory, gate: Gate, isCallers = false) {
    this.bytes = Buffer.from(memory.data);
    this.size = memory.data.byteLength;
    this.#control = memory.control;
    this.#readers = memory.readers;
    this.#gate = gate;
    this.#isCallers = isCallers;
  }

  /** Empty, with every reader reading. Only while no thread uses it. */
  reset(): void {
    this.#control.fill(0);
    for (let reader = 0; reader < this.#readers; reader++) this.#control[readerWord(reader) + 1] = 1;
  }

  /** Bytes written so far, modulo 2^32. */
  get written(): number {
    return Atomics.load(this.#control, WRITTEN);
  }

  /** Bytes that a reader has released so far, modulo 2^32. */
  released(reader: number): number {
    return Atomics.load(this.#control, readerWord(reader));
  }

  /** Where the writer's room begins; it runs on for what `room` or `waitRoom` says. */
  get writeIndex(): number {
    return Atomics.load(this.#control, WRITTEN) & (this.size - 1);
  }

  /** Room for the writer, in one piece. */
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

  /** Blocks until there is room. */
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
    Atomics.add(this.#control, WRITTEN, length);
    this.#unannounced += length;
    if (this.#unannounced >= this.size / 4) this.flush();
  }

  /** Tells the readers of what has been published: before a wait of the writer that they can't end. */
  flush(): void {
    // The writer may wait for the same event: it would wake itself, again and again.
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

  /** A reader that wants no (more) bytes no longer holds the writer back. */
  leave(reader: number): void {
    Atomics.store(this.#control, readerWord(reader) + 1, 0);
    this.#tellOfSpace();
  }

  readIndex(reader: number): number {
    return Atomics.load(this.#control, readerWord(reader)) & (this.size - 1);
  }

  /**
   * Bytes for this reader, in one piece; -1 once all have been read and no more come.
   *
   * @param held bytes that it has read and not released
   */
  available(reader: number, held = 0): number {
    // In this order: the writer publishes before it ends.
    const ended = this.ended;
    const read = Atomics.load(this.#control, readerWord(reader)) + held;
    const unread = (Atomics.load(this.#control, WRITTEN) - read) | 0;
    if (unread === 0) return ended ? -1 : 0;
    return Math.min(unread, this.size - (read & (this.size - 1)));
  }

  /** Blocks until there are bytes for this reader, or their end (-1). */
  waitAvailable(reader: number): number {
    for (;;) {
      const seen = this.#gate.look(DATA);
      const available = this.available(reader);
      if (available !== 0) return available;
      this.#gate.wait(DATA, seen);
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
