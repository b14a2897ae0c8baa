import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { escapeLayer } from '../../mount/overlay-layers.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import { withDirectory } from '../../rootfs/directory.js';
import { openLinuxSystem } from '../../system/linux.js';
import { flushFileSystem } from '../fill/flush-point.js';
import { PARENT_CHAIN_ID_LABEL } from '../labels.js';
import { makeTree, treeOf } from '../store/snapshot-files.js';
import { copyRoot } from '../trees/inherit-attributes.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { BackendSnapshot, Capability, SnapshotBackend } from './backend.js';
import { idMapOptions, mappedRoot } from './id-mapping.js';

const work = (directory: string) => join(directory, 'work');

/**
 * Each snapshot is an overlayfs layer, `fs`. Active snapshots also have a workdir, `work`. Directories and mounts have
 * the layout of containerd's overlay snapshotter.
 */
export class OverlayBackend implements SnapshotBackend {
  readonly name = 'overlay';
  readonly capabilities: readonly Capability[];
  readonly #support: OverlaySupport;

  constructor(support: OverlaySupport) {
    this.#support = support;
    this.capabilities = support.idmapped ? ['rebase', 'remap-ids'] : ['rebase'];
  }

  async create({ directory, parents, kind, labels }: BackendSnapshot): Promise<undefined> {
    // The workdir comes first, because `inheritUnlisted` needs a directory that is older than the tree.
    if (kind === 'active') {
      mkdirSync(work(directory));
      chmodSync(work(directory), 0o711);
    }
    const root = treeOf(directory);
    makeTree(root);
    const owner = mappedRoot(labels);
    // A mount shows the upper root directory. It takes the parent's attributes, or the root of the image would change.
    if (parents[0] !== undefined) inherit(treeOf(parents[0]), root);
    // An overlay mount maps only its lower layers. A bind mount also maps the root directory, which then stays owned by 0.
    const isMapped = parents.length === 0 && this.#support.idmapped;
    if (owner !== undefined && !isMapped) chownSync(root, owner.uid, owner.gid);
  }

  /** The options have containerd's order. */
  mounts({ directory, parents, labels, kind, readOnly }: BackendSnapshot): readonly Mount[] {
    if (isForLaterParent(labels, parents) && !readOnly)
      return [
        { type: 'overlay', source: 'overlay', options: [`upperdir=${escapeLayer(treeOf(directory))}`] },
      ];
    const options = this.#support.idmapped ? idMapOptions(labels) : [];
    if (parents.length === 0) return [bind(treeOf(directory), options, readOnly)];
    if (kind === 'view' && parents.length === 1) return [bind(treeOf(parents[0]!), options, true)];
    if (!readOnly)
      options.push(`workdir=${escapeLayer(work(directory))}`, `upperdir=${escapeLayer(treeOf(directory))}`);
    // A snapshot that the backend has filled itself is readable only.
    const lowers = kind === 'active' && readOnly ? [directory, ...parents] : parents;
    options.push(`lowerdir=${lowers.map((lower) => escapeLayer(treeOf(lower))).join(':')}`);
    if (this.#support.userxattr) options.push('userxattr');
    if (this.#support.indexOff) options.push('index=off');
    if (lowers !== parents) options.push('ro');
    return [{ type: 'overlay', source: 'overlay', options }];
  }

  usage({ directory }: BackendSnapshot, { signal }: AbortableOptions = {}): Promise<SnapshotUsage> {
    return treeThreads.run({ type: 'measure', directory: treeOf(directory) }, signal);
  }

  async sync({ directory }: BackendSnapshot): Promise<void> {
    await flushFileSystem(treeOf(directory));
  }

  async inheritRoot({ directory, parents }: BackendSnapshot): Promise<void> {
    await treeThreads.run({ type: 'inherit', from: treeOf(parents[0]!), to: treeOf(directory) });
  }

  async inheritUnlisted({ directory, parents }: BackendSnapshot): Promise<void> {
    await treeThreads.run({
      type: 'inherit-unlisted',
      tree: treeOf(directory),
      lowers: parents.map(treeOf),
      older: work(directory),
    });
  }
}

/**
 * Whether the layer is unpacked before its parent is committed. Only an upperdir keeps its whiteouts, and containerd's
 * differ writes them there as overlayfs would. The kernel refuses a mount without a lowerdir, so no other differ can
 * unpack through it. It would lose the whiteouts: on a bind mount they delete nothing and leave no mark.
 */
export function isForLaterParent(labels: BackendSnapshot['labels'], parents: readonly string[]): boolean {
  return parents.length === 0 && labels[PARENT_CHAIN_ID_LABEL] !== undefined;
}

function inherit(from: string, to: string): void {
  const system = openLinuxSystem();
  withDirectory(system, from, (source) =>
    withDirectory(system, to, (target) => copyRoot(system, source, target)),
  );
}

function bind(source: string, options: readonly string[], readOnly: boolean): Mount {
  return { type: 'bind', source, options: [...options, readOnly ? 'ro' : 'rw', 'rbind'] };
}
