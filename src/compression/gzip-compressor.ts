import { constants, createGzip } from 'node:zlib';
import { OverlayerError } from '../base/errors.js';
import type { ByteOutput, Compressor } from './codec.js';
import { ZlibSteps } from './zlib-steps.js';

const { Z_FINISH, Z_NO_FLUSH } = constants;
/** The default of zlib and of Go, whose image builders use it. */
const LEVEL = 6;
const NOTHING = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/** gzip through Node's zlib. Its header has neither a time nor a name, so equal input gives equal output. */
export class GzipCompressor implements Compressor {
  readonly #zlib: ZlibSteps;

  constructor(output: ByteOutput) {
    this.#zlib = new ZlibSteps(
      createGzip({ level: LEVEL }),
      output,
      (message) => new OverlayerError('Internal', `Cannot compress: ${message}`),
    );
  }

  write(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; )
      at += this.#zlib.step({ bytes, start: at, end, flush: Z_NO_FLUSH }).consumed;
  }

  end(): void {
    while (this.#zlib.step({ ...NOTHING, flush: Z_FINISH }).full) {
      // The room was too small for the rest.
    }
  }

  close(): void {
    this.#zlib.close();
  }
}
