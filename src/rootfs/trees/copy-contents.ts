import { isErrno, type System } from '../../system/system.js';

const BUFFER_BYTES = 1024 * 1024;
/** Bytes per system call, which take 20 ms or more. Aborts are checked between two calls. */
const PIECE_BYTES = 64 * 1024 ** 2;
/** Errors of a call that does not work between these files, or on this file system. */
const UNSUITED = ['EOPNOTSUPP', 'ENOTSUP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY', 'EPERM', 'ETXTBSY'];

/**
 * Copies all of an open file into an empty one. Blocks are shared where the file system can (reflink), copied by
 * the kernel where not; holes stay holes.
 */
export function copyContents(system: System, from: number, to: number, size: number): void {
  if (size === 0 || tryClone(system, from, to)) return;
  copyInto(system, from, to, { size, target: 0 });
}

/**
 * Copies the first `size` bytes of an open file to the position `target` of another, which ends there. Holes stay holes, and
 * blocks are shared where the file system can.
 */
export function copyInto(
  system: System,
  from: number,
  to: number,
  { size, target }: { readonly size: number; readonly target: number },
): void {
  for (const range of dataRanges(system, from, size)) copyRange(system, from, to, range, target);
  // This also makes a hole at the end.
  system.truncate(to, target + size);
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

interface Range {
  readonly start: number;
  readonly end: number;
}

function copyRange(system: System, from: number, to: number, { start, end }: Range, target: number): void {
  let position = start;
  try {
    while (position < end) {
      const length = Math.min(end - position, PIECE_BYTES);
      const copied = system.copyRange(from, to, position, length, target + position);
      if (copied === 0) return;
      position += copied;
    }
  } catch (error) {
    if (!isErrno(error, ...UNSUITED)) throw error;
    readAndWrite(system, from, to, { start: position, end }, target);
  }
}

function readAndWrite(system: System, from: number, to: number, { start, end }: Range, target: number): void {
  system.seekData(from, start); // moves the file offset for the reads
  const buffer = Buffer.allocUnsafe(Math.min(BUFFER_BYTES, end - start));
  const address = system.address(buffer);
  for (let position = start; position < end; ) {
    const length = system.read(from, address, Math.min(buffer.length, end - position));
    if (length === 0) return;
    system.pwrite(to, address, length, target + position);
    position += length;
  }
}

/**
 * The ranges with data of an open file's first `size` bytes, in order. Holes are between them. The file offset is at the start
 * of a range while it is yielded.
 */
export function* dataRanges(system: System, file: number, size: number): Generator<Range> {
  for (let position = 0; position < size; ) {
    const start = system.seekData(file, position);
    if (start === undefined || start >= size) return;
    position = Math.min(system.seekHole(file, start), size);
    system.seekData(file, start);
    yield { start, end: position };
  }
}
