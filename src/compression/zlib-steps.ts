import type { Gzip, InflateRaw } from 'node:zlib';
import type { ByteOutput } from './decompressor.js';

/** What is below Node's streams, as minizlib (of node-tar) uses it, too: the same since Node 8. */
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
  /** In the types of one of them only. */
  reset(): void;
  readonly _handle: ZlibHandle;
  /** Bytes of output's room, and of input, that the last call left. */
  readonly _writeState: Uint32Array;
};

/** Bytes to work on, and what zlib is to do with what it holds back. */
export interface ZlibInput {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** `Z_NO_FLUSH`, `Z_FINISH` of node:zlib's constants. */
  readonly flush: number;
}

export interface ZlibStep {
  readonly consumed: number;
  /** Where in the output's memory stands what came out. */
  readonly start: number;
  readonly produced: number;
  /** All room was used: more may be held back. */
  readonly full: boolean;
}

/**
 * Node's zlib, synchronously and straight into the output's memory: as a stream, on a thread of libuv's pool and
 * through buffers of its own, it took 1.2 times as long.
 */
export class ZlibSteps {
  readonly #stream: ZlibStream;
  readonly #output: ByteOutput;
  #failure: Error | undefined;

  /** @param explain an error for what zlib says */
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

  /** For another stream. */
  reset(): void {
    this.#stream.reset();
  }

  close(): void {
    this.#stream.destroy();
  }
}
