import { MemberError } from './member-stream.js';

/** The header of a frame (RFC 8878, 3.1.1.1). */
interface ZstdHeader {
  /** Bytes of earlier content that a block may refer to: decoding takes this much memory. */
  readonly windowSize: number;
  /** Number of the dictionary, 0 for none. */
  readonly dictionary: number;
  /** Bytes of the frame's content, where the header has the number. */
  readonly contentSize: number | undefined;
  /** A checksum of the content follows the last block. */
  readonly hasChecksum: boolean;
}

/** Lengths of the fields for the content's size and the dictionary's number, by the flags in the first byte. */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

/** @param descriptor first byte behind the magic @returns length of the header without the magic */
export function zstdHeaderBytes(descriptor: number): number {
  const isSingle = isSingleSegment(descriptor);
  return 1 + (isSingle ? 0 : 1) + dictionaryBytes(descriptor) + contentSizeBytes(descriptor);
}

/** @param header behind the magic, as long as `zstdHeaderBytes` says */
export function parseZstdHeader(header: Buffer): ZstdHeader {
  const descriptor = header[0]!;
  const isSingle = isSingleSegment(descriptor);
  const dictionaryAt = isSingle ? 1 : 2;
  const dictionaryLength = dictionaryBytes(descriptor);
  const dictionary = dictionaryLength === 0 ? 0 : header.readUIntLE(dictionaryAt, dictionaryLength);
  const sizeLength = contentSizeBytes(descriptor);
  const size =
    sizeLength === 0 ? undefined : contentSize(header, dictionaryAt + dictionaryLength, sizeLength);
  // A single segment has no field for the window: its window is its size, which it always has.
  return {
    windowSize: isSingle ? size! : windowSize(header[1]!),
    dictionary,
    contentSize: size,
    hasChecksum: (descriptor & 0x04) !== 0,
  };
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0;
}

function dictionaryBytes(descriptor: number): number {
  return DICTIONARY_BYTES[(descriptor & 3) as 0 | 1 | 2 | 3];
}

function contentSizeBytes(descriptor: number): number {
  const bytes = CONTENT_SIZE_BYTES[(descriptor >> 6) as 0 | 1 | 2 | 3];
  return bytes === 0 && isSingleSegment(descriptor) ? 1 : bytes;
}

/** RFC 8878, 3.1.1.1.2. */
function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/** RFC 8878, 3.1.1.1.4: a field of two bytes has 256 less than the size. */
function contentSize(header: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(header.readBigUInt64LE(at));
  return header.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}

const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
const BLOCK = { raw: 0, repeated: 1, compressed: 2, reserved: 3 } as const;

/**
 * Finds the end of a frame, from behind its header: reads the header of each block and passes over the rest
 * (RFC 8878, 3.1.1.2). Node's zlib does not tell where a frame ends.
 */
export class ZstdBlocks {
  readonly #hasChecksum: boolean;
  /** Bytes of a block, or of the checksum, that are still to come. */
  #left = 0;
  #header = 0;
  #headerFill = 0;
  #isLast = false;
  #checksumSeen = false;

  constructor(hasChecksum: boolean) {
    this.#hasChecksum = hasChecksum;
  }

  /** The last block, and the checksum where there is one, are complete. */
  get done(): boolean {
    return this.#isLast && this.#left === 0 && (this.#checksumSeen || !this.#hasChecksum);
  }

  /** @returns how many of the bytes belong to the frame @throws MemberError for a reserved type of block */
  take(input: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && !this.done) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, end - at);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#beginChecksum();
        continue;
      }
      this.#header |= input[at++]! << (8 * this.#headerFill++);
      if (this.#headerFill === BLOCK_HEADER_BYTES) this.#beginBlock();
    }
    return at - start;
  }

  #beginBlock(): void {
    const type = (this.#header >> 1) & 3;
    if (type === BLOCK.reserved) throw new MemberError('reserved type of a block');
    this.#isLast = (this.#header & 1) === 1;
    this.#left = type === BLOCK.repeated ? 1 : this.#header >> 3;
    this.#header = 0;
    this.#headerFill = 0;
    if (this.#left === 0) this.#beginChecksum();
  }

  #beginChecksum(): void {
    if (!this.#isLast || !this.#hasChecksum || this.#checksumSeen) return;
    this.#checksumSeen = true;
    this.#left = CHECKSUM_BYTES;
  }
}
