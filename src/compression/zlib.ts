import { constants, createGunzip, type Gunzip } from 'node:zlib';
import { type ByteOutput, corruptStream, type Decompressor, truncatedStream } from './decompressor.js';

const { Z_BUF_ERROR, Z_FINISH, Z_NO_FLUSH } = constants;
const EMPTY = Buffer.alloc(0);

/** What is below Node's stream, as minizlib (of node-tar) uses it, too: the same since Node 8. */
interface ZlibHandle {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inputStart: number,
    inputLength: number,
    output: Uint8Array,
    outputStart: number,
    outputLength: number,
  ): void;
}

/**
 * gzip through Node's zlib, synchronously and straight into the output's memory: as a stream, on a thread of
 * libuv's pool and through buffers of its own, it took 1.2 times as long. After the last member it passes over
 * bytes that begin with a zero, and takes any others for a member, which is then corrupt.
 */
export class ZlibGunzip implements Decompressor {
  dataAfterStream = false;
  readonly #gunzip = createGunzip() as Gunzip & {
    readonly _handle: ZlibHandle;
    /** Bytes of output's room, and of input, that the last call left. */
    readonly _writeState: Uint32Array;
  };
  readonly #output: ByteOutput;
  #failure: Error | undefined;
  #taken = 0;

  constructor(output: ByteOutput) {
    this.#output = output;
    this.#gunzip._handle.onerror = (message, errno) => {
      this.#failure = errno === Z_BUF_ERROR ? truncatedStream('gzip') : corruptStream('gzip', message);
    };
  }

  write(input: Buffer, start: number, end: number): void {
    let at = start;
    for (let full = false; (at < end || full) && !this.dataAfterStream; ) {
      const room = this.#output.waitRoom();
      const consumed = this.#inflate(Z_NO_FLUSH, { input, at, length: end - at, room });
      const produced = room - this.#gunzip._writeState[0]!;
      full = produced === room; // more may be held back
      // What zlib does not take is none of the stream.
      if (consumed === 0 && produced === 0 && at < end) this.dataAfterStream = true;
      at += consumed;
    }
    this.#taken += end - start;
  }

  end(): void {
    if (this.#taken === 0) throw truncatedStream('gzip');
    if (this.dataAfterStream) return;
    this.#inflate(Z_FINISH, { input: EMPTY, at: 0, length: 0, room: this.#output.waitRoom() });
  }

  close(): void {
    this.#gunzip.destroy();
  }

  /** @returns bytes of input taken */
  #inflate(
    flush: number,
    { input, at, length, room }: { input: Buffer; at: number; length: number; room: number },
  ): number {
    const { _handle, _writeState } = this.#gunzip;
    _handle.writeSync(flush, input, at, length, this.#output.bytes, this.#output.writeIndex, room);
    if (this.#failure !== undefined) throw this.#failure;
    const produced = room - _writeState[0]!;
    if (produced > 0) this.#output.publish(produced);
    return length - _writeState[1]!;
  }
}
