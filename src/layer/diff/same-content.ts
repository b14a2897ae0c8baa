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
  return withFile(system, a, (one) => withFile(system, b, (other) => readSame(system, one, other)));
}

function withFile<T>(system: System, { walked: { parent, name } }: TreeEntry, use: (file: number) => T): T {
  return withChild(system, parent, name, O.RDONLY | O.NONBLOCK, use);
}

function readSame(system: System, one: number, other: number): boolean {
  const [left, right] = [Buffer.allocUnsafe(BUFFER_BYTES), Buffer.allocUnsafe(BUFFER_BYTES)];
  for (;;) {
    const length = fill(system, one, left);
    if (fill(system, other, right) !== length) return false;
    if (length === 0) return true;
    if (Buffer.compare(left.subarray(0, length), right.subarray(0, length)) !== 0) return false;
  }
}

function fill(system: System, file: number, buffer: Buffer): number {
  const address = system.address(buffer);
  let filled = 0;
  while (filled < buffer.length) {
    const length = system.read(file, address + filled, buffer.length - filled);
    if (length === 0) break;
    filled += length;
  }
  return filled;
}
