import { loadKoffi } from '../base/natives.js';
import { openSha256 } from './sha256.js';

/** Bytes of a key. */
export const FINGERPRINT_KEY_BYTES = 16;

/** Tells contents apart, one after the other. Fingerprints are comparable when they were made with one key. */
export interface Fingerprint {
  update(bytes: Uint8Array, start: number, end: number): void;
  /** Ends a content. @returns an integer of 48 bits */
  end(): number;
}

/**
 * Fingerprints by GMAC of AES-128 (NIST SP 800-38D) with a random key, without which no two contents with one fingerprint can
 * be made. A gigabyte takes 0.13 s, and 0.55 s by sha256. When Node exports no OpenSSL, it is sha256.
 */
export function openFingerprint(key: Uint8Array): Fingerprint {
  gmac ??= openGmac() ?? null;
  return gmac === null ? sha256Fingerprint() : gmac.begin(key);
}

function sha256Fingerprint(): Fingerprint {
  let sha256 = openSha256();
  return {
    update: (bytes, start, end) => sha256.update(bytes, start, end),
    end() {
      const fingerprint = Number.parseInt(sha256.hex().slice(0, 12), 16);
      sha256 = openSha256();
      return fingerprint;
    },
  };
}

/** OpenSSL's functions, which the Node binary exports for addons. Arguments are addresses and numbers. */
type Call = (...args: number[]) => number;

/** Parts of the memory that the calls use. The nonce is 0: the tags never leave the process. */
const KEY = 0;
const NONCE = 16;
const LENGTH = 32;
const TAG = 48;
const MEMORY_BYTES = 64;
const TAG_BYTES = 16;
const GET_TAG = 0x10; // EVP_CTRL_AEAD_GET_TAG

let gmac: Gmac | undefined | null;

/** The thread's only one: it is used for one file after the other. */
class Gmac implements Fingerprint {
  readonly #memory = Buffer.alloc(MEMORY_BYTES);
  readonly #address: (memory: Uint8Array) => number;
  readonly #calls: Readonly<Record<'init' | 'update' | 'final' | 'control', Call>>;
  readonly #cipher: number;
  readonly #context: number;
  readonly #at: number;
  #buffer: Uint8Array | undefined;
  #bufferAt = 0;

  constructor(address: (memory: Uint8Array) => number, fn: (signature: string) => Call) {
    this.#address = address;
    this.#calls = {
      init: fn('int EVP_EncryptInit_ex(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t)'),
      update: fn('int EVP_EncryptUpdate(uint64_t, uint64_t, uint64_t, uint64_t, int)'),
      final: fn('int EVP_EncryptFinal_ex(uint64_t, uint64_t, uint64_t)'),
      control: fn('int EVP_CIPHER_CTX_ctrl(uint64_t, int, int, uint64_t)'),
    };
    this.#cipher = fn('uint64_t EVP_aes_128_gcm()')();
    this.#context = fn('uint64_t EVP_CIPHER_CTX_new()')();
    this.#at = address(this.#memory);
  }

  begin(key: Uint8Array): this {
    this.#memory.set(key, KEY);
    this.#calls.init(this.#context, this.#cipher, 0, this.#at + KEY, this.#at + NONCE);
    return this;
  }

  update(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.#buffer) {
      this.#buffer = bytes;
      this.#bufferAt = this.#address(bytes);
    }
    this.#calls.update(this.#context, 0, this.#at + LENGTH, this.#bufferAt + start, end - start);
  }

  end(): number {
    const { init, final, control } = this.#calls;
    final(this.#context, this.#at + TAG, this.#at + LENGTH);
    control(this.#context, GET_TAG, TAG_BYTES, this.#at + TAG);
    init(this.#context, 0, 0, 0, this.#at + NONCE);
    return this.#memory.readUIntBE(TAG, 6);
  }
}

function openGmac(): Gmac | undefined {
  try {
    const koffi = loadKoffi();
    const node = koffi.load(null);
    return new Gmac(
      (memory) => Number(koffi.address(memory)),
      (signature) => node.func(signature) as Call,
    );
  } catch {
    return undefined; // koffi is absent, or this Node hides its OpenSSL
  }
}
