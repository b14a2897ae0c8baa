import { DATA, type Gate } from '../../base/threads/gate.js';
import type { Ring } from '../../base/threads/ring.js';
import type { SharedDigest } from './shared-digest.js';

/** The ring's writer is told of room in pieces of at least this size, while the reader has bytes to read. */
const RELEASE_BYTES = 64 * 1024;

/** Reads a ring, hashes its bytes, and releases those that are no longer needed. */
export abstract class HashedReader {
  readonly ring: Ring;
  /** Position up to which it was read, modulo 2^32. */
  protected taken = 0;
  readonly #reader: number;
  readonly #gate: Gate;
  readonly #digest: SharedDigest;
  readonly #hash: boolean;
  readonly #lag: number;

  /**
   * @param reader its number among the ring's readers
   * @param options `hash`: compute the digest. `lag`: how many bytes may be left to the other thread to hash, while there
   * are bytes to read
   */
  constructor(
    ring: Ring,
    reader: number,
    gate: Gate,
    digest: SharedDigest,
    { hash, lag }: { readonly hash: boolean; readonly lag: number },
  ) {
    this.ring = ring;
    this.#reader = reader;
    this.#gate = gate;
    this.#digest = digest;
    this.#hash = hash;
    this.#lag = lag;
  }

  /** Limits how many bytes are read at once. */
  protected abstract limit(available: number): number;
  /** Does something useful while there are no bytes. @returns false when there is nothing to do */
  protected abstract work(): boolean;
  /** Called before a wait that may be long. */
  protected abstract rest(): void;
  /** Position from which on the ring has to keep the bytes. */
  protected abstract keptFrom(): number;

  /** `finish` or `abandon` has to follow. */
  begin(): void {
    if (this.#hash) this.#digest.begin();
  }

  /** Blocks until there are bytes. @returns how many, from `start` on; -1 at the end */
  wait(): number {
    for (;;) {
      const seen = this.#gate.look(DATA);
      const length = this.poll();
      if (length !== 0) return length;
      this.rest();
      this.#gate.wait(DATA, seen);
    }
  }

  /** Does all other work before it finds no bytes. @returns as `wait`; 0 when there are no bytes yet */
  poll(): number {
    for (;;) {
      const held = (this.taken - this.ring.released(this.#reader)) | 0;
      const available = this.ring.available(this.#reader, held);
      if (available !== 0) return available < 0 ? available : this.limit(available);
      const worked = this.work();
      this.#release(this.keptFrom()); // the writer may be waiting for the room
      if (!worked && !this.#digest.help()) return 0;
    }
  }

  /** Index of the unread bytes in the ring's memory. */
  get start(): number {
    return this.taken & (this.ring.size - 1);
  }

  /** Call it when that many bytes were read. */
  take(length: number): void {
    this.taken = (this.taken + length) | 0;
    const to = this.keptFrom();
    if (((to - this.ring.released(this.#reader)) | 0) >= RELEASE_BYTES) this.#release(to);
    if (this.#digest.unhashed >= Math.max(this.#lag, RELEASE_BYTES)) this.#digest.tryHelp();
  }

  /** Call it when all is read. @returns the hexadecimal sha256, if it was to be hashed */
  finish(): string | undefined {
    return this.#digest.finish();
  }

  /** Call it after a failure. The other thread no longer uses the digest when this returns. */
  abandon(): void {
    this.#digest.abandon();
  }

  #release(to: number): void {
    const length = (to - this.ring.released(this.#reader)) | 0;
    if (length > 0) this.ring.release(this.#reader, length);
  }
}
