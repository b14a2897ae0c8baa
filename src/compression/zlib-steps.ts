import type { Gzip, InflateRaw } from 'node:zlib';
import type { ByteOutput } from './codec.js';

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
  /** What the last call left: bytes of room, and bytes of input. */
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
