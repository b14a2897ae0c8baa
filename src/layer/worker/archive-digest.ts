import type { Ring } from '../../base/ring.js';
import { attachSha256, openSha256, type Sha256 } from '../../system/sha256.js';
import { type Pipeline, STEP_BYTES } from './pipeline.js';

const LOCK = 0;
const HASHED = 1;

/**
 * The sha256 of the archive (the diffID), made by whichever thread has the time: the apply thread hashes what it
 * is done with, while it is in its core's cache, unless the decode thread has been there before, which does so
 * rather than wait for room. Whoever is slower so has less to do, and no third thread is needed: on a 412 MB
 * layer one took 1.07 s and 2.0 s of processor time.
 */
export class ArchiveDigest {
  readonly #control: Int32Array;
  /** Holds the handle of the digest in work. */
  readonly #shared: Float64Array;
  #sha256: Sha256 | undefined;

  constructor({ digestControl, digestHandle }: Pipeline) {
    this.#control = digestControl;
    this.#shared = digestHandle;
  }

  /** The apply thread begins a digest. */
  begin(): void {
    this.#sha256 = openSha256();
    this.#shared[0] = this.#sha256.handle;
  }

  /** The apply thread is about to release what it has read up to the position `to`: it has to be hashed by then. */
  require(ring: Ring, to: number): void {
    if (this.#sha256 === undefined) return;
    // Without the lock: the other thread may be hashing far ahead, and is not to be waited for.
    if (((Atomics.load(this.#control, HASHED) - to) | 0) >= 0) return;
    while (!this.#tryLock()) Atomics.wait(this.#control, LOCK, 1);
    this.#hash(this.#sha256, ring, to);
    this.#unlock();
  }

  /** The decode thread has nothing better to do. @returns whether there was something to hash */
  help(ring: Ring): boolean {
    if (this.#shared[0] === 0 || !this.#tryLock()) return false;
    const handle = this.#shared[0]!;
    if (handle === 0) {
      this.#unlock();
      return false;
    }
    if (this.#sha256?.handle !== handle) this.#sha256 = attachSha256(handle);
    const hashed = this.#control[HASHED]!;
    const length = Math.min((ring.written - hashed) | 0, STEP_BYTES);
    if (length > 0) this.#hash(this.#sha256, ring, (hashed + length) | 0);
    this.#unlock();
    return length > 0;
  }

  /** The apply thread gives up; the other one is out of it afterwards. */
  abandon(): void {
    if (this.#sha256 === undefined) return;
    while (!this.#tryLock()) Atomics.wait(this.#control, LOCK, 1);
    this.end();
    this.#unlock();
  }

  /** The apply thread has read all. */
  end(): string | undefined {
    const hex = this.#sha256?.hex();
    this.#sha256 = undefined;
    this.#shared[0] = 0;
    return hex;
  }

  #hash(sha256: Sha256, ring: Ring, to: number): void {
    let at = this.#control[HASHED]!;
    while (((to - at) | 0) > 0) {
      const start = at & (ring.size - 1);
      const length = Math.min((to - at) | 0, ring.size - start);
      sha256.update(ring.bytes, start, start + length);
      at = (at + length) | 0;
      Atomics.store(this.#control, HASHED, at);
    }
  }

  #tryLock(): boolean {
    return Atomics.compareExchange(this.#control, LOCK, 0, 1) === 0;
  }

  #unlock(): void {
    Atomics.store(this.#control, LOCK, 0);
    Atomics.notify(this.#control, LOCK);
  }
}
