import { isErrno, type System } from '../../system/system.js';

const BUFFER_BYTES = 1024 * 1024;
/** The kernel copies so many at once, in 20 ms and more: in between it can be heard that somebody wants the end. */
const PIECE_BYTES = 64 * 1024 ** 2;
/** What the kernel says where a call does not work between these two files, or on this file system. */
const UNSUITED = ['EOPNOTSUPP', 'ENOTSUP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'EPERM', 'ETXTBSY'];

/**
 * Copies all of an open file into an empty one. Blocks are shared where the file system can (reflink), copied by
 * the kernel where not; holes stay holes.
 */
export function copyContents(system: System, from: number, to: number, size: number): void {
  if (size === 0 || tryClone(system, from, to)) return;
  for (const { start, end } of dataRanges(system, from, size)) copyExtent(system, from, to, start, end);
  // A hole at the end has to be there too.
  system.truncate(to, size);
}

function tryClone(system: System, from: number, to: number): boolean {
  try {
    system.cloneFile(from, to);
    return true;
  } catch (error) {
    if (!isErrno(error, ...UNSUITED)) throw error;
    return false;
  }
}

function copyExtent(system: System, from: number, to: number, start: number, end: number): void {
  let position = start;
  try {
    while (position < end) {
      const length = system.copyRange(from, to, position, Math.min(end - position, PIECE_BYTES));
      if (length === 0) return;
      position += length;
    }
  } catch (error) {
    if (!isErrno(error, ...UNSUITED)) throw error;
    readAndWrite(system, from, to, position, end);
  }
}

function readAndWrite(system: System, from: number, to: number, start: number, end: number): void {
  system.seekData(from, start); // reads go on from there
  const buffer = Buffer.allocUnsafe(Math.min(BUFFER_BYTES, end - start));
  const address = system.address(buffer);
  for (let position = start; position < end; ) {
    const length = system.read(from, address, Math.min(buffer.length, end - position));
    if (length === 0) return;
    system.pwrite(to, address, length, position);
    position += length;
  }
}

/**
 * The parts of an open file's first `size` bytes that hold data, in order; between them are holes. The descriptor
 * stands at the start of a part while it is looked at.
 */
export function* dataRanges(
  system: System,
  file: number,
  size: number,
): Generator<{ readonly start: number; readonly end: number }> {
  for (let position = 0; position < size; ) {
    const start = system.seekData(file, position);
    if (start === undefined || start >= size) return;
    position = Math.min(system.seekHole(file, start), size);
    system.seekData(file, start);
    yield { start, end: position };
  }
}
