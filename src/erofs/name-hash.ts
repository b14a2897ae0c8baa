import { randomFillSync } from 'node:crypto';
import { encodePath } from '../base/path-bytes.js';
import { MAX_NAME_BYTES } from './format.js';

/** Room for a name and zeros up to whole words. */
const SCRATCH_BYTES: number = MAX_NAME_BYTES + 5;

/**
 * Bytes and hash of one name at a time. The hash is HalfSipHash-1-3 with a random key (as in Linux, lib/siphash.c), so
 * that a layer can't choose names with equal hashes. It decides on no byte of the result.
 */
export class NameHash {
  readonly bytes: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  /** Bytes of the name. More than 255: it has no bytes and no hash here. */
  length = 0;
  readonly #words = new Int32Array(this.bytes.buffer);
  readonly #key = new Int32Array(2);

  constructor() {
    randomFillSync(this.#key);
  }

  /** Puts the bytes of a name into `bytes`. */
  load(name: string): void {
    const { bytes } = this;
    const { length } = name;
    if (length > MAX_NAME_BYTES) {
      this.length = encodePath(name).length;
      return;
    }
    // Nearly all names are ASCII. A loop over a short string takes less than a call of Buffer.
    for (let at = 0; at < length; at++) {
      const code = name.charCodeAt(at);
      if (code >= 0x80) {
        this.#loadEncoded(name);
        return;
      }
      bytes[at] = code;
    }
    this.length = length;
  }

  #loadEncoded(name: string): void {
    const encoded = encodePath(name);
    this.length = encoded.length;
    if (encoded.length <= MAX_NAME_BYTES) this.bytes.set(encoded);
  }

  /** The hash of the loaded name in a directory. */
  hash(directory: number): number {
    const { bytes, length } = this;
    const words = this.#words;
    bytes[length] = bytes[length + 1] = bytes[length + 2] = bytes[length + 3] = 0;
    let v0 = this.#key[0]!;
    let v1 = this.#key[1]!;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    const last = length >> 2;
    // The directory is the first word; the last one holds the rest of the name and its length. Three rounds follow.
    for (let at = -1; at <= last + 3; at++) {
      let word = 0;
      if (at < 0) word = directory;
      else if (at < last) word = words[at]!;
      else if (at === last) word = words[at]! | (length << 24);
      else if (at === last + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
