import { DATA, type Gate } from '../../base/gate.js';
import type { Ring } from '../../base/ring.js';
import type { PendingFiles } from './pending-files.js';
import { INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

const BLOCK_MASK = ~511;
/** The writer is given room in pieces worth having. */
const RELEASE_BYTES = 64 * 1024;

/** The apply thread's way through the archive: what was read is let go once it is hashed and no file needs it. */
export class ArchiveReader {
  readonly ring: Ring;
  readonly #reader: number;
  readonly #gate: Gate;
  readonly #digest: SharedDigest;
  /** The compressed bytes', which the decode thread needs more than we do. */
  readonly #blobDigest: SharedDigest | undefined;
  readonly #hash: boolean;
  /** Files that are still to be finished, where there can be any. */
  readonly #files: PendingFiles | undefined;
  /** Position up to which it was read, modulo 2^32. */
  #taken = 0;

  constructor(pipeline: Pipeline, hash: boolean, files?: PendingFiles) {
    const { input, inputDigest, outputDigest, gate } = pipeline;
    const compressed = pipeline.waitCompressed();
    this.ring = pipeline.waitArchive();
    this.#reader = compressed ? OUTPUT_READERS.apply : INPUT_READERS.apply;
    this.#gate = gate;
    this.#files = files;
    this.#digest = new SharedDigest(this.ring, compressed ? outputDigest : inputDigest);
    this.#blobDigest = compressed ? new SharedDigest(input, inputDigest) : undefined;
    this.#hash = hash;
  }

  begin(): void {
    if (this.#hash) this.#digest.begin();
  }

  /** Blocks until there are bytes, and does other work meanwhile. @returns how many; -1 at the end */
  wait(): number {
    for (;;) {
      const seen = this.#gate.look(DATA);
      const available = this.ring.available(this.#reader, this.#held);
      if (available !== 0) return this.#expect(available);
      const worked = this.#files?.work() || this.#blobDigest?.help();
      // The writer may be waiting for the room.
      const to = this.#releasable;
      this.#digest.require(to);
      this.#release(to);
      if (!worked) this.#gate.wait(DATA, seen);
    }
  }

  /** Where in the ring's memory they stand. */
  get start(): number {
    return this.#taken & (this.ring.size - 1);
  }

  #expect(available: number): number {
    // Whole blocks where possible: the decoder then reads headers in place, without a copy.
    const length = Math.min(available > 512 ? available & BLOCK_MASK : available, STEP_BYTES);
    this.#files?.expect(this.#taken, (this.#taken + length) | 0);
    return length;
  }

  take(length: number): void {
    this.#taken = (this.#taken + length) | 0;
    const to = this.#releasable;
    const isWorthIt = ((to - this.ring.released(this.#reader)) | 0) >= RELEASE_BYTES;
    if (isWorthIt && this.#digest.tryRequire(to)) this.#release(to);
  }

  /** All is read: finishes what is left. @returns the hexadecimal digest, where it was asked for */
  finish(): string | undefined {
    this.#files?.finish();
    this.#digest.require(this.#taken);
    return this.#digest.end();
  }

  /** After a failure. The decode thread may be at the digest or a file: it is out of both afterwards. */
  abandon(): void {
    this.#files?.abandon();
    this.#digest.abandon();
  }

  get #held(): number {
    return (this.#taken - this.ring.released(this.#reader)) | 0;
  }

  /** Up to which position no file needs the bytes. */
  get #releasable(): number {
    return this.#files?.neededFrom(this.#taken) ?? this.#taken;
  }

  #release(to: number): void {
    const length = (to - this.ring.released(this.#reader)) | 0;
    if (length > 0) this.ring.release(this.#reader, length);
  }
}
