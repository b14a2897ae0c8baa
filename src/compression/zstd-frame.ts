import { OverlayerError } from '../base/errors.js';
import type { ByteOutput } from './codec.js';
import { isZstdFrame, isZstdSkippable } from './detect.js';
import { type MemberDecoder, MemberError, type MemberFormat } from './member-stream.js';
import { parseZstdHeader, ZstdBlocks, zstdHeaderBytes } from './zstd-format.js';
import { FLUSH, WINDOW_LOG_MAX, type ZstdLibrary, type ZstdSteps } from './zstd-library.js';

const MAGIC_BYTES = 4;
/** The length field of a skippable frame. */
const LENGTH_BYTES = 4;
const MAX_HEADER_BYTES = 14;
const MIB = 2 ** 20;

const FORMAT: MemberFormat = {
  name: 'zstd',
  unit: 'frame',
  magicBytes: MAGIC_BYTES,
  isMagic: isZstdFrame,
  mayBePadded: false,
};

type Part = 'header' | 'body' | 'skip' | 'done';

/** Decodes zstd frames, and passes over skippable ones. A library decodes the blocks; `ZstdBlocks` finds their end. */
export class ZstdFrame implements MemberDecoder {
  readonly format = FORMAT;
  isSkippable = false;
  readonly #maxWindow: number;
  readonly #decoder: ZstdSteps;
  /** The magic and the header of the frame. */
  readonly #header = Buffer.alloc(MAGIC_BYTES + MAX_HEADER_BYTES);
  #headerFill = 0;
  #part: Part = 'done';
  #skipLeft = 0;
  #blocks = new ZstdBlocks(false);
  #contentSize: number | undefined;
  #produced = 0;

  /** @param maxWindow bytes @throws OverlayerError `ResourceExhausted` for a larger window, from `take` */
  constructor(output: ByteOutput, maxWindow: number, library: ZstdLibrary) {
    this.#maxWindow = Math.min(maxWindow, 2 ** WINDOW_LOG_MAX);
    this.#decoder = library.openDecoder(output);
  }

  get done(): boolean {
    return this.#part === 'done';
  }

  begin(magic: Buffer): void {
    this.isSkippable = isZstdSkippable(magic);
    this.#headerFill = magic.copy(this.#header);
    this.#part = 'header';
  }

  take(input: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && this.#part !== 'done')
      switch (this.#part) {
        case 'header':
          at += this.#takeHeader(input, at, end);
          break;
        case 'skip': {
          const taken = Math.min(this.#skipLeft, end - at);
          this.#skipLeft -= taken;
          at += taken;
          if (this.#skipLeft === 0) this.#part = 'done';
          break;
        }
        case 'body':
          at += this.#takeBlocks(input, at, end);
      }
    return at - start;
  }

  close(): void {
    this.#decoder.close();
  }

  #takeHeader(input: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      this.#header[this.#headerFill++] = input[at++]!;
      const wanted = this.isSkippable ? LENGTH_BYTES : zstdHeaderBytes(this.#header[MAGIC_BYTES]!);
      if (this.#headerFill < MAGIC_BYTES + wanted) continue;
      this.#beginBody();
      break;
    }
    return at - start;
  }

  #beginBody(): void {
    if (this.isSkippable) {
      this.#skipLeft = this.#header.readUInt32LE(MAGIC_BYTES);
      this.#part = this.#skipLeft === 0 ? 'done' : 'skip';
      return;
    }
    const { windowSize, dictionary, contentSize, hasChecksum } = parseZstdHeader(
      this.#header.subarray(MAGIC_BYTES, this.#headerFill),
    );
    if (dictionary !== 0)
      throw new OverlayerError(
        'Unimplemented',
        `Cannot decompress the layer: it is zstd with a dictionary (number ${dictionary})`,
        { hint: 'decompress it with its dictionary first, and pipe it in' },
      );
    if (windowSize > this.#maxWindow) throw windowTooLarge(windowSize, this.#maxWindow);
    this.#blocks = new ZstdBlocks(hasChecksum);
    this.#contentSize = contentSize;
    this.#produced = 0;
    this.#part = 'body';
    this.#decompress(this.#header, 0, this.#headerFill);
  }

  /** @returns bytes taken: all of them, or up to the frame's end */
  #takeBlocks(input: Buffer, start: number, end: number): number {
    const taken = this.#blocks.take(input, start, end);
    this.#decompress(input, start, start + taken);
    if (this.#blocks.done) {
      // The library does not check the size when the last block is empty and the frame comes in pieces.
      if (this.#contentSize !== undefined && this.#contentSize !== this.#produced)
        throw new MemberError('wrong length of a frame');
      this.#part = 'done';
    }
    return taken;
  }

  #decompress(bytes: Buffer, start: number, end: number): void {
    for (let at = start, full = false; at < end || full; ) {
      const step = this.#decoder.step({ bytes, start: at, end, flush: FLUSH.continue });
      this.#produced += step.produced;
      at += step.consumed;
      // More output may be held back when all room is used.
      full = step.full;
    }
  }
}

function windowTooLarge(windowSize: number, maxWindow: number): OverlayerError {
  return new OverlayerError(
    'ResourceExhausted',
    `Cannot decompress the layer: its zstd window takes ${Math.ceil(windowSize / MIB)} MiB of memory, and maxWindow allows ${Math.floor(maxWindow / MIB)} MiB`,
    windowSize > 2 ** WINDOW_LOG_MAX
      ? {}
      : { option: 'maxWindow', hint: 'raise maxWindow if you trust this layer' },
  );
}
