/** What a frame's header says (RFC 8878, 3.1.1.1). */
export interface ZstdHeader {
  /** Bytes of memory that decoding takes: how far back it refers. */
  readonly windowSize: number;
  /** 0: none. */
  readonly dictionary: number;
  /** Bytes of the frame's content, where the header says it. */
  readonly contentSize: number | undefined;
}

/** Of the field that says how long the content is, and of the dictionary's number, by the flags in the first byte. */
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_BYTES = [0, 1, 2, 4] as const;

/** Bytes of the header behind the magic, by the first of them. */
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
  // A single segment has no window of its own: it always has a size.
  return { windowSize: isSingle ? size! : windowSize(header[1]!), dictionary, contentSize: size };
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

/** RFC 8878, 3.1.1.1.4: in two bytes it is 256 less. */
function contentSize(header: Buffer, at: number, bytes: number): number {
  if (bytes === 8) return Number(header.readBigUInt64LE(at));
  return header.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
}
