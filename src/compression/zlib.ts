import { constants, createGunzip } from 'node:zlib';
import { type ByteOutput, corruptStream, type Decompressor, truncatedStream } from './decompressor.js';
import { ZlibSteps } from './zlib-steps.js';

const { Z_BUF_ERROR, Z_FINISH, Z_NO_FLUSH } = constants;

/**
 * gzip through Node's zlib. After the last member it passes over bytes that begin with a zero, and takes any others
 * for a member, which is then corrupt.
 */
export class ZlibGunzip implements Decompressor {
  dataAfterStream = false;
  readonly #zlib: ZlibSteps;
  #taken = 0;

  constructor(output: ByteOutput) {
    this.#zlib = new ZlibSteps(createGunzip(), output, (message, errno) =>
      errno === Z_BUF_ERROR ? truncatedStream('gzip') : corruptStream('gzip', message),
    );
  }

  write(input: Buffer, start: number, end: number): void {
    let at = start;
    for (let isFull = false; (at < end || isFull) && !this.dataAfterStream; ) {
      const { consumed, produced, full } = this.#zlib.step({
        ...{ bytes: input, start: at, end },
        flush: Z_NO_FLUSH,
      });
      isFull = full;
      // What zlib does not take is none of the stream.
      if (consumed === 0 && produced === 0 && at < end) this.dataAfterStream = true;
      at += consumed;
    }
    this.#taken += end - start;
  }

  end(): void {
    if (this.#taken === 0) throw truncatedStream('gzip');
    if (this.dataAfterStream) return;
    this.#zlib.step({ bytes: Buffer.alloc(0), start: 0, end: 0, flush: Z_FINISH });
  }

  close(): void {
    this.#zlib.close();
  }
}
