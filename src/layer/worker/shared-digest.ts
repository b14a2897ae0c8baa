import type { Ring } from '../../base/threads/ring.js';
import { attachSha256, type NextBytes, openSha256, type Sha256, updateBoth } from '../../system/sha256.js';
import { type DigestMemory, INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';

const LOCK = 0;
const IS_SHARED = 1;
const BLOCK_MASK = 63;
/** Shorter pieces are not worth the partner's lock. */
const PAIR_BYTES = 4 * 1024;

/**
 * The sha256 of a ring's bytes, which two threads compute together. It is a reader of the ring: the bytes stay until they
 * are hashed. A thread that would wait hashes a step instead, so both are busy until the end. A third thread for the hash
 * gained nothing: a 412 MB layer took 1.07 s and 2.0 s of processor time with it.
 *
 * A thread that hashes bytes of one ring also hashes as many of the other ring (`updateBoth`), unless the other thread
 * hashes those.
 */
export class SharedDigest {
  readonly #ring: Ring;
  readonly #reader: number;
  readonly #control: Int32Array;
  readonly #state: Uint8Array;
  readonly #partner: SharedDigest | undefined;
  #sha256: Sha256 | undefined;
  /** Whether this thread has begun the digest, and not ended it. */
  #isReaders = false;

  /** Of one of the pipeline's rings, with the digest of its other ring as partner. */
  static of(pipeline: Pipeline, ring: Ring): SharedDigest {
    const ofInput = (partner?: SharedDigest) =>
      new SharedDigest(pipeline.input, INPUT_READERS.digest, pipeline.inputDigest, partner);
    const ofOutput = (partner?: SharedDigest) =>
      new SharedDigest(pipeline.output, OUTPUT_READERS.digest, pipeline.outputDigest, partner);
    return ring === pipeline.input ? ofInput(ofOutput()) : ofOutput(ofInput());
  }

  private constructor(
    ring: Ring,
    reader: number,
    { control, state }: DigestMemory,
    partner: SharedDigest | undefined,
  ) {
    this.#ring = ring;
    this.#reader = reader;
    this.#control = control;
    this.#state = state;
    this.#partner = partner;
  }

  /** Called by the thread that reads the archive or the blob, before it releases bytes. The other thread may then help. */
  begin(): void {
    this.#sha256 = openSha256(this.#state);
    this.#isReaders = true;
    this.#ring.join(this.#reader);
    Atomics.store(this.#control, IS_SHARED, this.#sha256.isShared ? 1 : 0);
  }

  /** How many bytes are not hashed. The other thread may be hashing them. */
  get unhashed(): number {
    return this.#isBegun ? this.#rest : 0;
  }

  get #isBegun(): boolean {
    return this.#isReaders || Atomics.load(this.#control, IS_SHARED) !== 0;
  }

  /** Hashes a step, or waits for the other thread's step. @returns false when there is nothing to hash */
  help(): boolean {
    if (this.unhashed === 0) return false;
    if (!this.tryHelp()) Atomics.wait(this.#control, LOCK, 1);
    return true;
  }

  /** Hashes a step. @returns false when there is nothing to hash, or the other thread is hashing */
  tryHelp(): boolean {
    if (this.unhashed === 0) return false;
    const sha256 = this.#tryJoin();
    if (sha256 === undefined) return false;
    const length = Math.min(this.#rest, STEP_BYTES);
    if (length > 0) this.#hash(sha256, (this.#hashed + length) | 0);
    this.#unlock();
    return length > 0;
  }

  /** Locks the digest. @returns undefined, without the lock, when the other thread has it or there is no shared digest */
  #tryJoin(): Sha256 | undefined {
    if (!this.#isBegun || !this.#tryLock()) return undefined;
    if (!this.#isBegun) {
      this.#unlock();
      return undefined;
    }
    this.#sha256 ??= attachSha256(this.#state);
    return this.#sha256;
  }

  /** Called by the reader after a failure. The other thread no longer uses the digest when this returns. */
  abandon(): void {
    if (!this.#isReaders) return;
    while (!this.#tryLock()) Atomics.wait(this.#control, LOCK, 1);
    this.#end();
    this.#unlock();
  }

  /**
   * Called by the reader when it has read everything. @returns the hexadecimal digest; undefined when none was begun
   */
  finish(): string | undefined {
    while (this.help()) {}
    return this.#end();
  }

  #end(): string | undefined {
    const hex = this.#sha256?.hex();
    this.#sha256 = undefined;
    this.#isReaders = false;
    Atomics.store(this.#control, IS_SHARED, 0);
    return hex;
  }

  #hash(sha256: Sha256, to: number): void {
    if (this.#partner !== undefined && this.#left(to) >= PAIR_BYTES)
      this.#hashWith(this.#partner, sha256, to);
    while (this.#left(to) > 0) this.#hashAlone(sha256, this.#left(to));
  }

  /** Hashes bytes of both rings at once, as long as both have some. */
  #hashWith(partner: SharedDigest, sha256: Sha256, to: number): void {
    const other = partner.#tryJoin();
    if (other === undefined) return;
    // The other thread may publish bytes between any two steps, so an alignment is never assumed.
    while (this.#align(sha256) && partner.#align(other)) {
      const most = Math.min(this.#run(this.#left(to)), partner.#run(partner.#rest)) & ~BLOCK_MASK;
      if (most <= 0 || !updateBoth(this.#next(sha256), partner.#next(other), most)) break;
      this.#advance(most);
      partner.#advance(most);
    }
    partner.#unlock();
  }

  /** Hashes up to the end of the block that was begun. @returns false when its bytes are not all there yet */
  #align(sha256: Sha256): boolean {
    const length = Math.min(-this.#hashed & BLOCK_MASK, this.#rest);
    if (length > 0) this.#hashAlone(sha256, length);
    return (this.#hashed & BLOCK_MASK) === 0;
  }

  #hashAlone(sha256: Sha256, length: number): void {
    const run = this.#run(length);
    const { bytes, start } = this.#next(sha256);
    sha256.update(bytes, start, start + run);
    this.#advance(run);
  }

  #next(sha256: Sha256): NextBytes {
    return { sha256, bytes: this.#ring.bytes, start: this.#hashed & (this.#ring.size - 1) };
  }

  /** How many of `length` unhashed bytes lie in one piece. */
  #run(length: number): number {
    return Math.min(length, this.#ring.size - (this.#hashed & (this.#ring.size - 1)));
  }

  #left(to: number): number {
    return (to - this.#hashed) | 0;
  }

  /** Position up to which the ring is hashed. */
  get #hashed(): number {
    return this.#ring.released(this.#reader);
  }

  /** How many published bytes are not hashed. */
  get #rest(): number {
    return this.#ring.unreleased(this.#reader);
  }

  #advance(length: number): void {
    this.#ring.release(this.#reader, length);
  }

  #tryLock(): boolean {
    return Atomics.compareExchange(this.#control, LOCK, 0, 1) === 0;
  }

  #unlock(): void {
    Atomics.store(this.#control, LOCK, 0);
    Atomics.notify(this.#control, LOCK);
  }
}
