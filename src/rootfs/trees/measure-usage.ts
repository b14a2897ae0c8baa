import type { Stat, System } from '../../system/system.js';
import { isDirectory, statId } from '../directory.js';
import { walkTree } from './walk-tree.js';

const BLOCK_BYTES = 512;

/**
 * ext4, xfs and tmpfs say from the first what a file will take on disk. Others know it only once it is there: zfs,
 * and any that compresses.
 */
const KNOW_BEFORE_SYNC: readonly number[] = [0xef53, 0x58465342, 0x01021994];
/** xfs reserves more for a file that is open. */
const KNOW_BEFORE_CLOSE: readonly number[] = [0xef53, 0x01021994];

/** What a tree takes on disk, its root included. */
export interface TreeUsage {
  /** Of the blocks that it fills; a file with several hard links counts once. */
  readonly bytes: number;
  readonly inodes: number;
}

/** Adds up the entries of a walk, as du(1) counts: blocks, not lengths; what is mounted there not at all. */
export class UsageCount {
  readonly #seen = new Set<string>();
  #bytes = 0;
  #inodes = 0;

  add(stat: Stat): void {
    if (stat.nlink > 1 && !isDirectory(stat)) {
      const id = statId(stat);
      if (this.#seen.has(id)) return;
      this.#seen.add(id);
    }
    this.addOne(stat.blocks);
  }

  /** What has one name. */
  addOne(blocks: number): void {
    this.#bytes += blocks * BLOCK_BYTES;
    this.#inodes += 1;
  }

  get usage(): TreeUsage {
    return { bytes: this.#bytes, inodes: this.#inodes };
  }
}

/** What an open directory and all below it take on disk. */
export function measureUsage(system: System, directory: number): TreeUsage {
  const count = new UsageCount();
  walkTree(system, directory, ({ path, stat }) => {
    const isMounted = path !== '' && stat.isMountRoot;
    if (!isMounted) count.add(stat);
    return !isMounted;
  });
  return count.usage;
}

/** Whether what is counted below an open directory stays so when it is brought to the disk. */
export function isCountedBeforeSync(system: System, directory: number): boolean {
  return KNOW_BEFORE_SYNC.includes(system.fileSystemType(directory));
}

/** Whether a file's blocks stay when it is closed, too. */
export function isCountedBeforeClose(system: System, directory: number): boolean {
  return KNOW_BEFORE_CLOSE.includes(system.fileSystemType(directory));
}
