import type { Stat, System } from '../../system/system.js';
import { isDirectory, statId } from '../directory.js';
import { walkTree } from './walk-tree.js';

const BLOCK_BYTES = 512;

/**
 * ext4, xfs and tmpfs report a file's final blocks before it is on disk. Others, such as zfs and those that compress, only
 * after that.
 */
const KNOW_BEFORE_SYNC: readonly number[] = [0xef53, 0x58465342, 0x01021994];
/** xfs is not among them: it reserves more blocks while a file is open. */
const KNOW_BEFORE_CLOSE: readonly number[] = [0xef53, 0x01021994];

/** Disk usage of a tree, including its root. */
export interface TreeUsage {
  /** Bytes of its blocks. A file with several hard links counts once. */
  readonly bytes: number;
  readonly inodes: number;
}

/** Adds up the entries of a walk as du(1): blocks instead of lengths, and without mounted file systems. */
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

  /** Adds a file with one name. */
  addOne(blocks: number): void {
    this.#bytes += blocks * BLOCK_BYTES;
    this.#inodes += 1;
  }

  get usage(): TreeUsage {
    return { bytes: this.#bytes, inodes: this.#inodes };
  }
}

/** Disk usage of an open directory and all below it. */
export function measureUsage(system: System, directory: number): TreeUsage {
  const count = new UsageCount();
  walkTree(system, directory, ({ path, stat }) => {
    const isMounted = path !== '' && stat.isMountRoot;
    if (!isMounted) count.add(stat);
    return !isMounted;
  });
  return count.usage;
}

/** Whether block counts below an open directory are final before a sync. */
export function isCountedBeforeSync(system: System, directory: number): boolean {
  return KNOW_BEFORE_SYNC.includes(system.fileSystemType(directory));
}

/** Whether block counts are also final before a file is closed. */
export function isCountedBeforeClose(system: System, directory: number): boolean {
  return KNOW_BEFORE_CLOSE.includes(system.fileSystemType(directory));
}
