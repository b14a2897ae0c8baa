import { OverlayerError } from '../base/errors.js';

export type StreamFormat = 'none' | 'gzip' | 'zstd';

/** `detectFormat` needs this many of the first bytes, or all bytes of a shorter stream. */
export const DETECT_BYTES = 512;

const REFUSED: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['lz4', [0x02, 0x21, 0x4c, 0x18]],
  ['lzip', [0x4c, 0x5a, 0x49, 0x50]],
  ['Unix compress', [0x1f, 0x9d]],
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
];

/**
 * Detects the compression of a stream by its first bytes, never by a name or media type. Anything else counts as tar: the
 * tar decoder refuses it if it is not.
 *
 * @throws OverlayerError `Unimplemented` for xz, bzip2, lz4, lzip, compress and zip
 */
export function detectFormat(head: Uint8Array): StreamFormat {
  if (startsWith(head, [0x1f, 0x8b])) return 'gzip';
  if (isZstdFrame(head)) return 'zstd';
  for (const [name, magic] of REFUSED) {
    // A tar may begin with these letters, as part of a name. Its header has `ustar` at 257.
    if (!startsWith(head, magic) || startsWith(head.subarray(257), [0x75, 0x73, 0x74, 0x61, 0x72])) continue;
    throw new OverlayerError('Unimplemented', `Cannot read the layer: it is compressed with ${name}`, {
      hint: 'layers are tar, gzip or zstd: convert it to one of these',
      offset: 0,
    });
  }
  return 'none';
}

/** RFC 8878, 3.1: a frame, or one of the 16 types of skippable frame. */
export function isZstdFrame(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return startsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd]) || isZstdSkippable(bytes);
}

/** RFC 8878, 3.1.2: every reader passes over these frames. */
export function isZstdSkippable(bytes: Uint8Array): boolean {
  return (bytes[0]! & 0xf0) === 0x50 && startsWith(bytes.subarray(1), [0x2a, 0x4d, 0x18]);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, at) => bytes[at] === byte);
}
