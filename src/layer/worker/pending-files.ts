import { type Gate, SPACE } from '../../base/threads/gate.js';
import type { Ring } from '../../base/threads/ring.js';
import type { FileFinisher, FileTail } from '../../rootfs/finish-file.js';
import { fromSystemError } from '../../system/errno-code.js';
import { SystemError } from '../../system/system.js';
import type { FileFactsLog } from '../manifest/file-facts.js';
import { type FileQueue, SLOTS } from './file-queue.js';

const MAX_FILE_BYTES = 128 * 1024;
/** It takes 30 µs to wake a thread: it is worth it for so many files. */
const WORTH_WAKING = 16;

/** The apply thread's side of the queue. It keeps the bytes of waiting files in the ring. */
export class PendingFiles implements FileFinisher {
  readonly maxBytes = MAX_FILE_BYTES;
  readonly bytes: Uint8Array;
  readonly #queue: FileQueue;
  readonly #ring: Ring;
  readonly #gate: Gate;
  readonly #facts: FileFactsLog | undefined;
  readonly #mostWaiting: number;
  readonly #entries = new Array<{ readonly path: string; readonly offset: number } | undefined>(SLOTS);
  /** The position in the ring of the first byte that the file of each slot needs. Positions only rise. */
  readonly #starts = new Int32Array(SLOTS);
  #first = 0;
  #next = 0;
  /** Position in the ring: the end of the bytes that are being decoded. */
  #upTo = 0;
  /** Position in the ring: no later file has content before it. */
  #low = 0;
  /** Position of the current file's content; undefined when it is not kept. */
  #kept: number | undefined;

  /**
   * @param options `facts`: receives the files' facts, in the order of `take`
   *
   * `maxOpen`: how many files may wait
   */
  constructor(
    queue: FileQueue,
    ring: Ring,
    gate: Gate,
    options: { readonly facts: FileFactsLog | undefined; readonly maxOpen: number },
  ) {
    this.#queue = queue;
    this.#ring = ring;
    this.#gate = gate;
    this.#facts = options.facts;
    this.#mostWaiting = Math.min(SLOTS, options.maxOpen);
    this.bytes = ring.bytes;
  }

  /** The bytes between two positions in the ring are decoded next. */
  expect(from: number, to: number): void {
    this.#low = from;
    this.#upTo = to;
  }

  keep(start: number): void {
    this.#low = (this.#upTo - ((this.#upTo - start) & (this.#ring.size - 1))) | 0;
    this.#kept = this.#low;
  }

  letGo(): void {
    this.#kept = undefined;
  }

  take(tail: FileTail, entry: { readonly path: string; readonly offset: number }): void {
    if (this.#next - this.#first === this.#mostWaiting) this.#makePlace(tail);
    const start = this.#kept ?? this.#low;
    this.#kept = undefined;
    const slot = this.#next & (SLOTS - 1);
    this.#entries[slot] = entry;
    this.#starts[slot] = start;
    this.#queue.put(this.#next, tail);
    this.#next += 1;
    if (this.#queue.waiting === WORTH_WAKING) this.#gate.bump(SPACE);
  }

  #makePlace(next: FileTail): void {
    try {
      for (this.#settle(); this.#next - this.#first === this.#mostWaiting; this.#settle())
        if (!this.work()) this.#queue.waitFor(this.#first);
    } catch (error) {
      this.#queue.drop(next);
      throw error;
    }
  }

  /** Finishes one file. @returns false when none waits */
  work(): boolean {
    return this.#queue.work();
  }

  /**
   * Position from which on the ring has to keep its bytes.
   *
   * @param taken position up to which the archive was read
   * @throws OverlayerError the failure of a file
   */
  neededFrom(taken: number): number {
    this.#settle();
    if (this.#first !== this.#next) return this.#starts[this.#first & (SLOTS - 1)]!;
    return this.#kept ?? taken;
  }

  #settle(): void {
    while (this.#first !== this.#next) {
      const slot = this.#first & (SLOTS - 1);
      try {
        if (!this.#queue.settled(this.#first)) return;
      } catch (error) {
        if (error instanceof SystemError) throw fromSystemError(error, this.#entries[slot]!);
        throw error;
      }
      if (this.#facts !== undefined) this.#queue.noteFacts(this.#first, this.#facts);
      this.#first += 1;
    }
  }

  /** Finishes all files. @throws OverlayerError */
  finish(): void {
    while (this.work()) {}
    for (this.#settle(); this.#first !== this.#next; this.#settle()) this.#queue.waitFor(this.#first);
  }

  /** Closes all files. The other thread no longer uses them when this returns. */
  abandon(): void {
    this.#queue.abandon(this.#first);
    this.#first = this.#next;
  }
}
