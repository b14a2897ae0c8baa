import { DATA } from '../../base/gate.js';
import type { Ring } from '../../base/ring.js';
import type { FileSource } from './file-source.js';
import { INPUT_READERS, type Pipeline } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

/** Deflate gives at most 1032 bytes for one: a bomb is seen 64 MiB late at the most. */
const STEP_BYTES = 64 * 1024;
/** What was read stays so long in the ring: enough for the other thread to find something to hash whenever it has time. */
const HELD_BYTES = 1024 * 1024;

const { decode: READER } = INPUT_READERS;

/** The decode thread's way through the compressed bytes: what was read is let go once it is hashed. */
export class BlobReader {
  readonly ring: Ring;
  readonly #pipeline: Pipeline;
  readonly #source: FileSource | undefined;
  readonly #digest: SharedDigest;
  /** Position up to which it was read, modulo 2^32. */
  #taken = 0;

  /** @param source where it is this thread that fills the ring */
  constructor(pipeline: Pipeline, source: FileSource | undefined, hash: boolean) {
    this.ring = pipeline.input;
    this.#pipeline = pipeline;
    this.#source = source;
    this.#digest = new SharedDigest(pipeline.input, pipeline.inputDigest);
    if (hash) this.#digest.begin();
  }

  /** Blocks until there are bytes. @param onIdle called before a long wait @returns how many; -1 at the end */
  wait(onIdle: () => void): number {
    const { gate } = this.#pipeline;
    for (;;) {
      const seen = gate.look(DATA);
      const available = this.ring.available(READER, this.#held);
      if (available !== 0) return Math.min(available, STEP_BYTES);
      if (this.#source?.fill()) continue;
      // The writer may be waiting for the room.
      this.#release(0);
      onIdle();
      gate.wait(DATA, seen);
    }
  }

  /** Where in the ring's memory they stand. */
  get start(): number {
    return this.#taken & (this.ring.size - 1);
  }

  take(length: number): void {
    this.#taken = (this.#taken + length) | 0;
    this.#release(HELD_BYTES);
  }

  /** All is read. @returns the hexadecimal digest, where it was asked for */
  finish(): string | undefined {
    this.#digest.require(this.#taken);
    return this.#digest.end();
  }

  /** After a failure: the apply thread is out of the digest afterwards. */
  abandon(): void {
    this.#digest.abandon();
  }

  get #held(): number {
    return (this.#taken - this.ring.released(READER)) | 0;
  }

  #release(keep: number): void {
    const length = this.#held - keep;
    if (length <= 0) return;
    this.#digest.require((this.#taken - keep) | 0);
    this.ring.release(READER, length);
  }
}
