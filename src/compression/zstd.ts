import { OverlayerError } from '../base/errors.js';
import { loadZstd } from '../base/natives.js';
import type { ByteOutput } from './decompressor.js';
import { isZstdFrame, isZstdSkippable } from './detect.js';
import { type MemberDecoder, MemberError, type MemberFormat } from './member-decoder.js';
import { parseZstdHeader, zstdHeaderBytes } from './zstd-header.js';

const zstd = loadZstd();
const MAGIC_BYTES = 4;
/** Of a skippable frame: its length. */
const LENGTH_BYTES = 4;
const MAX_HEADER_BYTES = 14;
/** The library's own bound is 2^27; which windows are taken, and how it is said, is decided here. */
const WINDOW_LOG_MAX = 31;
const MIB = 2 ** 20;

const FORMAT: MemberFormat = {
  name: 'zstd',
  unit: 'frame',
  magicBytes: MAGIC_BYTES,
  isMagic: isZstdFrame,
  mayBePadded: false,
};

type Part = 'header' | 'body' | 'skip' | 'done';

/** zstd through zstd-napi, synchronously and straight into the output's memory. */
export class ZstdFrame implements MemberDecoder {
  readonly format = FORMAT;
  isSkippable = false;
  readonly #output: ByteOutput;
  readonly #maxWindow: number;
  readonly #context = new zstd.DCtx();
  /** The magic and the header of the frame. */
  readonly #header = Buffer.alloc(MAGIC_BYTES + MAX_HEADER_BYTES);
  #headerFill = 0;
  #part: Part = 'done';
  #skipLeft = 0;
  #contentSize: number | undefined;
  #produced = 0;

  /** @param maxWindow bytes @throws OverlayerError `ResourceExhausted` for a larger window, from `take` */
  constructor(output: ByteOutput, maxWindow: number) {
    this.#output = output;
    this.#maxWindow = Math.min(maxWindow, 2 ** WINDOW_LOG_MAX);
    this.#context.setParameter(zstd.DParameter.windowLogMax, WINDOW_LOG_MAX);
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
          at += this.#decompress(input.subarray(at, end));
      }
    return at - start;
  }

  close(): void {}

  #takeHeader(input: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end) {
      this.#header[this.#headerFill++] = input[at++]!;
      const wanted = this.isSkippable ? LENGTH_BYTES : zstdHeaderBytes(this.#header[MAGIC_BYTES]!);
      if (this.#headerFill < MAGIC_BYTES + wanted) continue;
      this.#begun();
      break;
    }
    return at - start;
  }

  #begun(): void {
    if (this.isSkippable) {
      this.#skipLeft = this.#header.readUInt32LE(MAGIC_BYTES);
      this.#part = this.#skipLeft === 0 ? 'done' : 'skip';
      return;
    }
    const { windowSize, dictionary, contentSize } = parseZstdHeader(
      this.#header.subarray(MAGIC_BYTES, this.#headerFill),
    );
    if (dictionary !== 0)
      throw new OverlayerError(
        'Unimplemented',
        `Cannot decompress the layer: it is zstd with a dictionary (number ${dictionary})`,
        { hint: 'decompress it first, with its dictionary, and pipe it in' },
      );
    if (windowSize > this.#maxWindow) throw windowTooLarge(windowSize, this.#maxWindow);
    this.#contentSize = contentSize;
    this.#produced = 0;
    this.#part = 'body';
    this.#decompress(this.#header.subarray(0, this.#headerFill));
  }

  /** @returns bytes taken: all of them, or up to the frame's end */
  #decompress(input: Buffer): number {
    let taken = 0;
    for (;;) {
      const room = this.#output.waitRoom();
      const index = this.#output.writeIndex;
      const [left, produced, consumed] = this.#step(
        this.#output.bytes.subarray(index, index + room),
        input.subarray(taken),
      );
      if (produced > 0) this.#output.publish(produced);
      this.#produced += produced;
      taken += consumed;
      if (left === 0) {
        this.#finish();
        return taken;
      }
      // A full output may mean that more is held back; one with room left means more input is wanted.
      if (taken === input.length && produced < room) return taken;
    }
  }

  /** The library does not look at the size where the last block is empty and the frame comes in pieces. */
  #finish(): void {
    if (this.#contentSize !== undefined && this.#contentSize !== this.#produced)
      throw new MemberError('wrong length of a frame');
    this.#part = 'done';
  }

  #step(output: Buffer, input: Buffer): readonly [left: number, produced: number, consumed: number] {
    try {
      return this.#context.decompressStream(output, input);
    } catch (error) {
      throw new MemberError(error instanceof Error ? error.message : String(error));
    }
  }
}

function windowTooLarge(windowSize: number, maxWindow: number): OverlayerError {
  return new OverlayerError(
    'ResourceExhausted',
    `Cannot decompress the layer: its zstd window takes ${Math.ceil(windowSize / MIB)} MiB of memory, and maxWindow allows ${Math.floor(maxWindow / MIB)} MiB`,
    windowSize > 2 ** WINDOW_LOG_MAX ? {} : { hint: 'raise maxWindow if you trust this layer' },
  );
}
