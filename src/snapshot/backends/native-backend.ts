import { chownSync } from 'node:fs';
import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { flushFileSystem } from '../fill/flush-point.js';
import { makeTree, treeOf } from '../store/snapshot-files.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { BackendSnapshot, SnapshotBackend } from './backend.js';
import { mappedRoot } from './id-mapping.js';

/**
 * Each snapshot is a whole tree, `fs`, which starts as a copy of its parent's. File systems with reflinks (xfs, btrfs,
 * bcachefs) share the blocks. It works on every file system and needs no overlayfs.
 */
export class NativeBackend implements SnapshotBackend {
  readonly name = 'native';
  readonly capabilities = [];
  readonly #platform: NodeJS.Platform;

  /** @param platform of the system that mounts the snapshots */
  constructor(platform: NodeJS.Platform = process.platform) {
    this.#platform = platform;
  }

  async create(
    { directory, parents, kind, labels }: BackendSnapshot,
    { signal }: AbortableOptions = {},
  ): Promise<undefined> {
    const copy = treeOf(directory);
    makeTree(copy);
    // A view of a parent is a mount of it.
    if (parents[0] !== undefined && kind === 'active')
      await treeThreads.run({ type: 'copy', from: treeOf(parents[0]), to: copy }, signal);
    const owner = mappedRoot(labels);
    if (owner !== undefined) chownSync(copy, owner.uid, owner.gid);
  }

  mounts({ directory, parents, kind, readOnly }: BackendSnapshot): readonly Mount[] {
    const source = treeOf(kind === 'view' ? (parents[0] ?? directory) : directory);
    const access = readOnly ? 'ro' : 'rw';
    return this.#platform === 'freebsd'
      ? [{ type: 'nullfs', source, options: [access] }]
      : [{ type: 'bind', source, options: [access, 'rbind'] }];
  }

  usage({ directory }: BackendSnapshot, { signal }: AbortableOptions = {}): Promise<SnapshotUsage> {
    return treeThreads.run({ type: 'measure', directory: treeOf(directory) }, signal);
  }

  async sync({ directory }: BackendSnapshot): Promise<void> {
    await flushFileSystem(treeOf(directory));
  }
}
