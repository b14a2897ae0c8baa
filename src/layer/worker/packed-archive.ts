import { type Limits, limitError } from '../../base/limits.js';
import { openSha256 } from '../../system/sha256.js';
import type { System } from '../../system/system.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarSink } from '../../tar/types.js';
import type { LayerOutput } from '../diff/layer-writer.js';

/** Fits into a core's cache: the bytes are read, hashed, decoded and written there. */
const BUFFER_BYTES = 256 * 1024;
/** A thread makes one archive at a time. A new buffer for each makes the garbage collector run. */
const BUFFER: Buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const ZEROS: Buffer = Buffer.alloc(BUFFER_BYTES);

interface PackedArchiveOptions {
  readonly sink: TarSink;
  readonly limits: Limits;
  /** Gets all bytes of the archive, in order. They are valid during the call. */
  readonly write: (bytes: Uint8Array, length: number) => void;
  /** Called for each buffer; it throws to end the work. */
  readonly look: () => void;
}

/** The archive of a diff, which this thread hashes and decodes while it is made. Only one may be in use. */
export class PackedArchive implements LayerOutput, Disposable {
  readonly #system: System;
  readonly #options: PackedArchiveOptions;
  readonly #decoder: TarDecoder;
  readonly #hash = openSha256();
  readonly #address: number;
  #fill = 0;
  #diffID: string | undefined;

  constructor(system: System, options: PackedArchiveOptions) {
    this.#system = system;
    this.#options = options;
    this.#decoder = new TarDecoder(options.sink, options.limits);
    this.#address = system.address(BUFFER);
  }

  header(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const length = Math.min(bytes.length - at, this.#room());
      BUFFER.set(bytes.subarray(at, at + length), this.#fill);
      this.#fill += length;
      at += length;
    }
  }

  zeros(count: number): void {
    if (count <= this.#room()) {
      BUFFER.fill(0, this.#fill, this.#fill + count);
      this.#fill += count;
      return;
    }
    this.#flush();
    for (let left = count; left > 0; left -= ZEROS.length) this.#take(ZEROS, Math.min(left, ZEROS.length));
  }

  read(file: number, length: number): number {
    let done = 0;
    while (done < length) {
      const room = Math.min(length - done, this.#room());
      const read = this.#system.read(file, this.#address + this.#fill, room);
      if (read === 0) break;
      this.#fill += read;
      done += read;
    }
    return done;
  }

  /** Call it after the last bytes. @throws OverlayerError as `TarDecoder.end` */
  end(): { readonly tarBytes: number; readonly diffID: Uint8Array } {
    this.#flush();
    this.#decoder.end();
    this.#diffID = this.#hash.hex();
    return { tarBytes: this.#decoder.position, diffID: Buffer.from(this.#diffID, 'hex') };
  }

  /** Frees the memory of the hash. */
  [Symbol.dispose](): void {
    this.#diffID ??= this.#hash.hex();
  }

  #room(): number {
    if (this.#fill === BUFFER_BYTES) this.#flush();
    return BUFFER_BYTES - this.#fill;
  }

  #flush(): void {
    this.#take(BUFFER, this.#fill);
    this.#fill = 0;
  }

  #take(bytes: Buffer, length: number): void {
    const { limits, look, write } = this.#options;
    look();
    const { position } = this.#decoder;
    if (position + length > limits.maxBytes)
      throw limitError('maxBytes', limits.maxBytes, { offset: position });
    this.#hash.update(bytes, 0, length);
    this.#decoder.write(bytes, 0, length);
    write(bytes, length);
  }
}
