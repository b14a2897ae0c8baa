import { Gunzip } from 'fflate';
import {
  type ByteOutput,
  copyInto,
  corruptStream,
  type Decompressor,
  truncatedStream,
} from './decompressor.js';

const TRAILER = 8;
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/**
 * gzip in plain JavaScript, for where nothing native can serve: three to five times slower than zlib.
 * fflate does not check members' CRCs, so this does; bytes after the last member are an error here.
 */
export class FflateGunzip implements Decompressor {
  readonly dataAfterStream = false;
  readonly #gunzip: Gunzip;
  /** The last bytes taken: a member's trailer ends where the next one begins, or the stream. */
  #recent: Buffer = Buffer.alloc(0);
  #taken = 0;
  #crc = 0xffffffff;
  #size = 0;

  constructor(output: ByteOutput) {
    this.#gunzip = new Gunzip((chunk) => {
      this.#crc = updateCrc(this.#crc, chunk);
      this.#size = (this.#size + chunk.length) >>> 0;
      copyInto(output, chunk);
    });
    this.#gunzip.onmember = (offset) => this.#checkTrailer(offset);
  }

  write(input: Buffer, start: number, end: number): void {
    // A copy: fflate keeps what it could not take yet, and the memory is the caller's again.
    const chunk = Buffer.from(input.subarray(start, end));
    this.#recent = Buffer.concat([this.#recent.subarray(-TRAILER * 2), chunk]);
    this.#taken += chunk.length;
    this.#push(chunk, false);
  }

  end(): void {
    if (this.#taken < TRAILER) throw truncatedStream('gzip');
    this.#push(new Uint8Array(0), true);
    this.#checkTrailer(this.#taken);
  }

  close(): void {}

  #push(chunk: Uint8Array, final: boolean): void {
    try {
      this.#gunzip.push(chunk, final);
    } catch (error) {
      const code = (error as { code?: number }).code;
      if (code === undefined) throw error; // the output's, or a wrong trailer
      throw code === 0 ? truncatedStream('gzip') : corruptStream('gzip', (error as Error).message);
    }
  }

  /** CRC-32 and length of the member that ends at `end` (RFC 1952, 2.3.1). */
  #checkTrailer(end: number): void {
    const at = this.#recent.length - (this.#taken - end) - TRAILER;
    if (at < 0) throw truncatedStream('gzip');
    const crc = (this.#crc ^ 0xffffffff) >>> 0;
    if (this.#recent.readUInt32LE(at) !== crc || this.#recent.readUInt32LE(at + 4) !== this.#size)
      throw corruptStream('gzip', 'wrong checksum');
    this.#crc = 0xffffffff;
    this.#size = 0;
  }
}

function updateCrc(crc: number, bytes: Uint8Array): number {
  let value = crc;
  for (let at = 0; at < bytes.length; at++) value = CRC_TABLE[(value ^ bytes[at]!) & 0xff]! ^ (value >>> 8);
  return value >>> 0;
}
