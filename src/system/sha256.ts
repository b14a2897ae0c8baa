import { type Koffi, loadKoffi } from '../base/natives.js';

/** A running sha256. */
export interface Sha256 {
  update(bytes: Uint8Array, start: number, end: number): void;
  /** Ends the hash. @returns lower-case hexadecimal digits */
  hex(): string;
  /** Another thread can continue the hash by this handle; 0 when that is not possible. */
  readonly handle: number;
}

/** OpenSSL's digest interface, which the Node binary exports for addons. */
interface Evp {
  address: Koffi['address'];
  create(): number;
  init(context: number, algorithm: number, engine: number): number;
  algorithm(): number;
  update(context: number, address: number, length: number): number;
  final(context: number, out: number, length: number): number;
  free(context: number): void;
}

let loaded: Evp | undefined | null = null;

/** A hash that threads can share. When Node exports no OpenSSL, it is one of `node:crypto`. */
export function openSha256(): Sha256 {
  const evp = loadEvp();
  if (evp === undefined) return new CryptoSha256();
  const context = evp.create();
  evp.init(context, evp.algorithm(), 0);
  return new EvpSha256(evp, context);
}

/** Continues the hash of another thread. */
export function attachSha256(handle: number): Sha256 {
  return new EvpSha256(loadEvp()!, handle);
}

class EvpSha256 implements Sha256 {
  readonly handle: number;
  readonly #evp: Evp;
  #buffer: Uint8Array | undefined;
  #address = 0;

  constructor(evp: Evp, handle: number) {
    this.#evp = evp;
    this.handle = handle;
  }

  update(bytes: Uint8Array, start: number, end: number): void {
    if (bytes !== this.#buffer) {
      this.#buffer = bytes;
      this.#address = Number(this.#evp.address(bytes));
    }
    this.#evp.update(this.handle, this.#address + start, end - start);
  }

  hex(): string {
    const out = Buffer.alloc(32);
    this.#evp.final(this.handle, Number(this.#evp.address(out)), 0);
    this.#evp.free(this.handle);
    return out.toString('hex');
  }
}

class CryptoSha256 implements Sha256 {
  readonly handle = 0;
  // Loaded when used: it takes 4 ms.
  readonly #hash = process.getBuiltinModule('node:crypto').createHash('sha256');

  update(bytes: Uint8Array, start: number, end: number): void {
    this.#hash.update(bytes.subarray(start, end));
  }

  hex(): string {
    return this.#hash.digest('hex');
  }
}

function loadEvp(): Evp | undefined {
  if (loaded === null) loaded = openEvp();
  return loaded;
}

function openEvp(): Evp | undefined {
  try {
    const koffi = loadKoffi();
    const node = koffi.load(null);
    const fn = (signature: string) => node.func(signature) as (...args: number[]) => number;
    return {
      address: koffi.address,
      create: fn('uint64_t EVP_MD_CTX_new()'),
      init: fn('int EVP_DigestInit_ex(uint64_t, uint64_t, uint64_t)'),
      algorithm: fn('uint64_t EVP_sha256()'),
      update: fn('int EVP_DigestUpdate(uint64_t, uint64_t, uint64_t)'),
      final: fn('int EVP_DigestFinal_ex(uint64_t, uint64_t, uint64_t)'),
      free: fn('void EVP_MD_CTX_free(uint64_t)'),
    };
  } catch {
    return undefined; // koffi is absent, or this Node hides its OpenSSL
  }
}
