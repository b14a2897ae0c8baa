import { chownSync } from 'node:fs';
import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { flushFileSystem } from '../fill/flush-point.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { BackendSnapshot, SnapshotBackend } from './backend.js';
import { mappedRoot } from './id-mapping.js';
import { makeRoot } from './make-root.js';

const tree = (directory: string) => join(directory, 'fs');

/**
 * Each snapshot is a whole tree, `fs`: a copy of its parent's, whose blocks are shared where the file system can
 * (xfs, btrfs, bcachefs). Works anywhere, without overlayfs.
 */
export class NativeBackend implements SnapshotBackend {
  readonly name = 'native';
  readonly capabilities = [];
  readonly #platform: NodeJS.Platform;

  /** @param platform that the mounts are for */
  constructor(platform: NodeJS.Platform = process.platform) {
    this.#platform = platform;
  }

  async create(
    { directory, parents, kind, labels }: BackendSnapshot,
    { signal }: AbortableOptions = {},
  ): Promise<undefined> {
    const copy = tree(directory);
    makeRoot(copy);
    // A view of a parent is a mount of it.
    if (parents[0] !== undefined && kind === 'active')
      await treeThreads.run({ type: 'copy', from: tree(parents[0]), to: copy }, signal);
    const owner = mappedRoot(labels);
    if (owner !== undefined) chownSync(copy, owner.uid, owner.gid);
  }

  mounts({ directory, parents, kind, readOnly }: BackendSnapshot): readonly Mount[] {
    const source = tree(kind === 'view' ? (parents[0] ?? directory) : directory);
    const access = readOnly ? 'ro' : 'rw';
    return this.#platform === 'freebsd'
      ? [{ type: 'nullfs', source, options: [access] }]
      : [{ type: 'bind', source, options: [access, 'rbind'] }];
  }

  usage({ directory }: BackendSnapshot, { signal }: AbortableOptions = {}): Promise<SnapshotUsage> {
    return treeThreads.run({ type: 'measure', directory: tree(directory) }, signal);
  }

  async sync({ directory }: BackendSnapshot): Promise<void> {
    await flushFileSystem(tree(directory));
  }
}
