import { promisify } from 'node:util';
import {
  constants,
  crc32,
  createInflateRaw,
  deflateRaw,
  type Gzip,
  type InflateRaw,
  type ZlibOptions,
} from 'node:zlib';
import type { ByteOutput } from './codec.js';
import { BLOCK_BYTES, type BlockDeflater } from './gzip-blocks.js';
import type { Inflater } from './gzip-member.js';
import { MemberError } from './member-stream.js';

/** The binding below Node's zlib streams. It is the same since Node 8; minizlib, of node-tar, uses it as well. */
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

type ZlibStream = (Gzip | InflateRaw) & {
  /** Missing in the types of Gzip. */
  reset(): void;
  readonly _handle: ZlibHandle;
  /** Bytes of room and bytes of input that the last call did not use. */
  readonly _writeState: Uint32Array;
};

export interface ZlibInput {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** Whether to write out what is held back: `Z_NO_FLUSH` or `Z_FINISH` of node:zlib, `FLUSH` of zstd. */
  readonly flush: number;
}

export interface ZlibStep {
  readonly consumed: number;
  /** Index in the output's memory of the bytes that were produced. */
  readonly start: number;
  readonly produced: number;
  /** All room was used, so more output may be held back. */
  readonly full: boolean;
}

/**
 * Node's zlib, called synchronously, with output straight into the output's memory. Node's stream of it takes 1.2 times as
 * long: it has buffers of its own and a thread of libuv's pool.
 */
export class ZlibSteps {
  readonly #stream: ZlibStream;
  readonly #output: ByteOutput;
  #failure: Error | undefined;

  /** @param explain makes an error of zlib's message */
  constructor(stream: Gzip | InflateRaw, output: ByteOutput, explain: (message: string) => Error) {
    this.#stream = stream as ZlibStream;
    this.#output = output;
    this.#stream._handle.onerror = (message) => {
      this.#failure = explain(message);
    };
  }

  /** Waits for room, and works until it is full or the input is used up. */
  step({ bytes, start, end, flush }: ZlibInput): ZlibStep {
    const { _handle, _writeState } = this.#stream;
    const room = this.#output.waitRoom();
    const index = this.#output.writeIndex;
    _handle.writeSync(flush, bytes, start, end - start, this.#output.bytes, index, room);
    if (this.#failure !== undefined) throw this.#failure;
    const produced = room - _writeState[0]!;
    if (produced > 0) this.#output.publish(produced);
    return { consumed: end - start - _writeState[1]!, start: index, produced, full: produced === room };
  }

  /** Begins another stream. */
  reset(): void {
    this.#stream.reset();
  }

  close(): void {
    this.#stream.destroy();
  }
}

const { Z_FULL_FLUSH, Z_NO_FLUSH } = constants;
const TRAILER_BYTES = 8;

/**
 * Inflates through Node's zlib. Node's decoder of whole gzip streams does not tell where a member ends, and has rules of its
 * own for the bytes behind it.
 */
export class ZlibInflater implements Inflater {
  readonly #output: ByteOutput;
  readonly #zlib: ZlibSteps;
  readonly #trailer = Buffer.alloc(TRAILER_BYTES);
  #trailerFill = 0;
  #inflated = false;
  #crc = 0;
  #length = 0;

  constructor(output: ByteOutput) {
    this.#output = output;
    this.#zlib = new ZlibSteps(createInflateRaw(), output, (message) => new MemberError(message));
  }

  get done(): boolean {
    return this.#trailerFill === TRAILER_BYTES;
  }

  begin(): void {
    this.#zlib.reset();
    this.#trailerFill = 0;
    this.#inflated = false;
    this.#crc = 0;
    this.#length = 0;
  }

  take(input: Buffer, start: number, end: number): number {
    let at = start;
    for (let isFull = false; (at < end || isFull) && !this.#inflated; ) {
      const step = this.#zlib.step({ bytes: input, start: at, end, flush: Z_NO_FLUSH });
      this.#count(step.start, step.produced);
      at += step.consumed;
      isFull = step.full;
      // zlib leaves room and input unused only at the end of the data.
      if (!isFull && at < end) this.#inflated = true;
    }
    return at - start + this.#takeTrailer(input, at, end);
  }

  close(): void {
    this.#zlib.close();
  }

  #count(start: number, length: number): void {
    if (length === 0) return;
    this.#crc = crc32(this.#output.bytes.subarray(start, start + length), this.#crc);
    this.#length = (this.#length + length) % 2 ** 32;
  }

  #takeTrailer(input: Buffer, start: number, end: number): number {
    if (!this.#inflated) return 0;
    const taken = input.copy(this.#trailer, this.#trailerFill, start, end);
    this.#trailerFill += taken;
    if (this.done) {
      if (this.#trailer.readUInt32LE(0) !== this.#crc) throw new MemberError('wrong checksum');
      if (this.#trailer.readUInt32LE(4) !== this.#length) throw new MemberError('wrong length');
    }
    return taken;
  }
}

/** The default of zlib and of Go, whose image builders use it. */
const LEVEL = 6;
const deflateRawAsync = promisify(deflateRaw);

/** Deflates through Node's zlib. */
export class ZlibDeflater implements BlockDeflater {
  readonly #options: ZlibOptions;

  /** @param level 1 to 9 */
  constructor(level = LEVEL) {
    // One piece of output: each further one would be another task for the pool.
    const chunkSize = BLOCK_BYTES + 64 * 1024;
    this.#options = { level, chunkSize, finishFlush: Z_FULL_FLUSH };
  }

  async deflate(input: Buffer): Promise<Buffer> {
    return await deflateRawAsync(input, this.#options);
  }
}
