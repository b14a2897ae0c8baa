import { OverlayerError } from '../base/errors.js';

export type StreamFormat = 'none' | 'gzip' | 'zstd';

/** As many first bytes as `detectFormat` wants to see, where there are so many. */
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
 * What a stream is, by its first bytes and never by its name or media type. Anything that is not a known
 * compression is taken for tar: the decoder tells if it is not.
 *
 * @throws OverlayerError `Unimplemented` for a compression that is known and not read
 */
export function detectFormat(head: Uint8Array): StreamFormat {
  if (startsWith(head, [0x1f, 0x8b])) return 'gzip';
  if (isZstdFrame(head)) return 'zstd';
  for (const [name, magic] of REFUSED) {
    // A tar may begin with any letters: only one without a header there is something else.
    if (!startsWith(head, magic) || startsWith(head.subarray(257), [0x75, 0x73, 0x74, 0x61, 0x72])) continue;
    throw new OverlayerError('Unimplemented', `Cannot read the layer: it is compressed with ${name}`, {
      hint: 'layers are tar, gzip or zstd: write it again as one of these',
      offset: 0,
    });
  }
  return 'none';
}

/** RFC 8878, 3.1: a frame, or one of the 16 kinds of skippable frame. */
export function isZstdFrame(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return startsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd]) || isZstdSkippable(bytes);
}

/** RFC 8878, 3.1.2: what every reader passes over. */
export function isZstdSkippable(bytes: Uint8Array): boolean {
  return (bytes[0]! & 0xf0) === 0x50 && startsWith(bytes.subarray(1), [0x2a, 0x4d, 0x18]);
}

function startsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.every((byte, at) => bytes[at] === byte);
}
