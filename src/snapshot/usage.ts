import type { SnapshotUsage } from '../metadata/snapshot-record.js';
import { isDirectory, statId, withChild } from '../rootfs/directory.js';
import { O, type Stat, type System } from '../system/system.js';

const BLOCK_BYTES = 512;

/**
 * What an open directory and all below it take on disk, as du(1) counts: blocks, not lengths; a file with several
 * hard links once; what is mounted there not at all.
 */
export function measureUsage(system: System, directory: number): SnapshotUsage {
  const seen = new Set<string>();
  let bytes = 0;
  let inodes = 0;
  const count = (stat: Stat) => {
    if (stat.nlink > 1 && !isDirectory(stat)) {
      const id = statId(stat);
      if (seen.has(id)) return;
      seen.add(id);
    }
    bytes += stat.blocks * BLOCK_BYTES;
    inodes += 1;
  };
  const visit = (descriptor: number) => {
    for (const { name } of system.list(descriptor)) {
      const stat = system.statAt(descriptor, name);
      if (stat.isMountRoot) continue;
      count(stat);
      if (isDirectory(stat)) withChild(system, descriptor, name, O.RDONLY | O.DIRECTORY | O.NONBLOCK, visit);
    }
  };
  count(system.stat(directory));
  visit(directory);
  return { bytes, inodes };
}
