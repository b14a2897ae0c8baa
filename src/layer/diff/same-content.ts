import { statId, withChild } from '../../rootfs/directory.js';
import { O, type System } from '../../system/system.js';
import type { TreeEntry } from './tree-entry.js';

const BUFFER_BYTES = 256 * 1024;

/**
 * Of two files that are listed alike: whether they hold the same. They are read where their modification time has no
 * fraction of a second: whoever sets times from an archive leaves it so, and two files may well agree in it.
 */
export function haveSameContent(system: System, a: TreeEntry, b: TreeEntry): boolean {
  const { type, size, mtimeNsec } = a.header;
  if (type !== 'file' || size === 0 || mtimeNsec !== 0) return true;
  if (statId(a.walked.stat) === statId(b.walked.stat)) return true;
  return withFile(system, a, (one) => withFile(system, b, (other) => readSame(system, one, other, size)));
}

function withFile<T>(system: System, { walked: { parent, name } }: TreeEntry, use: (file: number) => T): T {
  return withChild(system, parent, name, O.RDONLY | O.NONBLOCK, use);
}

/** Of two files of one size. What is a hole in both is not read. */
function readSame(system: System, one: number, other: number, size: number): boolean {
  const buffers = [Buffer.allocUnsafe(BUFFER_BYTES), Buffer.allocUnsafe(BUFFER_BYTES)] as const;
  for (let position = 0; position < size; ) {
    const [start, otherStart] = [one, other].map((file) => system.seekData(file, position) ?? size);
    position = Math.min(start!, otherStart!);
    if (position >= size) return true;
    const end = Math.min(system.seekHole(position === start ? one : other, position), size);
    for (; position < end; position += BUFFER_BYTES) {
      const wanted = Math.min(BUFFER_BYTES, end - position);
      const left = fill(system, one, buffers[0], position, wanted);
      const right = fill(system, other, buffers[1], position, wanted);
      if (Buffer.compare(left, right) !== 0) return false;
    }
    position = end;
  }
  return true;
}

function fill(system: System, file: number, buffer: Buffer, position: number, wanted: number): Buffer {
  const address = system.address(buffer);
  let filled = 0;
  while (filled < wanted) {
    const length = system.readAt(file, address + filled, wanted - filled, position + filled);
    if (length === 0) break;
    filled += length;
  }
  return buffer.subarray(0, filled);
}
