import { paddingOf } from '../../tar/block.js';
import { END_MARKER_BYTES, HeaderEncoder } from '../../tar/header-encoder.js';

/** The fields that all members share: equal images give equal archives. */
const MEMBER = {
  ...{ uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 },
  ...{ linkPath: '', devMajor: 0, devMinor: 0, xattrs: undefined },
} as const;
const encoder = new HeaderEncoder();

/** The end of an archive. */
export const ARCHIVE_END = Buffer.alloc(END_MARKER_BYTES);

/** The header of a file in an archive of images. @param size in bytes */
export function fileHeader(path: string, size: number): Buffer {
  return Buffer.from(encoder.encode({ type: 'file', path, size, mode: 0o444, ...MEMBER }));
}

/** @param path ends in a slash */
export function directoryHeader(path: string): Buffer {
  return Buffer.from(encoder.encode({ type: 'directory', path, size: 0, mode: 0o755, ...MEMBER }));
}

/** The zeros behind the content of a file. */
export function padding(size: number): Buffer {
  return Buffer.alloc(paddingOf(size));
}
