import type { Operation } from './plan/operation.js';

/** Numbers of an operation in `ScannedEntries.numbers`. */
export const SCANNED = {
  op: 0,
  mode: 1,
  uid: 2,
  gid: 3,
  size: 4,
  mtimeSec: 5,
  /** Fingerprint of the content; 0 for an empty file, and for what is no file. */
  content: 6,
  /** crc32 of the extended attributes; 0 without any. */
  xattrs: 7,
  devMajor: 8,
  devMinor: 9,
  offset: 10,
} as const;
export const SCANNED_NUMBERS = 11;

/** The operations, by their number in `ScannedEntries`. */
export const SCANNED_OPS: readonly Operation['op'][] = [
  'file',
  'directory',
  'symlink',
  'hardlink',
  'character-device',
  'block-device',
  'fifo',
  'whiteout',
  'opaque',
];

/**
 * Operations of a layer, in its order, as one message between threads. Columns take a tenth of the time of an object for
 * each operation.
 */
export interface ScannedEntries {
  /** Paths of `Operation`. */
  readonly paths: readonly string[];
  /** Target of a symlink as in the archive, clean target of a hard link, '' otherwise. */
  readonly links: readonly string[];
  /** A row of `SCANNED_NUMBERS` for each operation. */
  readonly numbers: Float64Array<ArrayBuffer>;
}
