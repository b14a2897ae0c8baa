import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { escapeLayer } from '../../mount/overlay-layers.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, O } from '../../system/system.js';
import { flushFileSystem } from '../fill/flush-point.js';
import { GIDMAPPING_LABEL, PARENT_CHAIN_ID_LABEL, UIDMAPPING_LABEL } from '../labels.js';
import { copyRoot } from '../trees/copy-root.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { BackendSnapshot, Capability, SnapshotBackend } from './backend.js';
import { mappedRoot } from './id-mapping.js';
import { makeRoot } from './make-root.js';

const upper = (directory: string) => join(directory, 'fs');
const work = (directory: string) => join(directory, 'work');

/**
 * Each snapshot is an overlayfs layer: `fs`, and for active ones `work`, the workdir. Directories and mounts are
 * laid out as by containerd's overlay snapshotter.
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
    // First: what is in the tree is younger, see `inheritUnlisted`.
    if (kind === 'active') {
      mkdirSync(work(directory));
      chmodSync(work(directory), 0o711);
    }
    const root = upper(directory);
    makeRoot(root);
    const owner = mappedRoot(labels);
    // What is seen of the root is the upper one: it has to be as the parent's, or an image's root would change.
    if (parents[0] !== undefined) inherit(upper(parents[0]), root);
    // Upon layers the mount maps those alone. A bind mount maps the root itself: it stays 0's.
    const isMapped = parents.length === 0 && this.#support.idmapped;
    if (owner !== undefined && !isMapped) chownSync(root, owner.uid, owner.gid);
  }

  /** Options in containerd's order. */
  mounts({ directory, parents, labels, kind, readOnly }: BackendSnapshot): readonly Mount[] {
    if (isForLaterParent(labels, parents) && !readOnly)
      return [{ type: 'overlay', source: 'overlay', options: [`upperdir=${escapeLayer(upper(directory))}`] }];
    const options = this.#idMapOptions(labels);
    if (parents.length === 0) return [bind(upper(directory), options, readOnly)];
    if (kind === 'view' && parents.length === 1) return [bind(upper(parents[0]!), options, true)];
    if (!readOnly)
      options.push(`workdir=${escapeLayer(work(directory))}`, `upperdir=${escapeLayer(upper(directory))}`);
    // One that the backend has filled itself is seen, and not written to.
    const lowers = kind === 'active' && readOnly ? [directory, ...parents] : parents;
    options.push(`lowerdir=${lowers.map((lower) => escapeLayer(upper(lower))).join(':')}`);
    if (this.#support.userxattr) options.push('userxattr');
    if (this.#support.indexOff) options.push('index=off');
    if (lowers !== parents) options.push('ro');
    return [{ type: 'overlay', source: 'overlay', options }];
  }

  usage({ directory }: BackendSnapshot, { signal }: AbortableOptions = {}): Promise<SnapshotUsage> {
    return treeThreads.run({ type: 'measure', directory: upper(directory) }, signal);
  }

  async sync({ directory }: BackendSnapshot): Promise<void> {
    await flushFileSystem(upper(directory));
  }

  async inheritRoot({ directory, parents }: BackendSnapshot): Promise<void> {
    await treeThreads.run({ type: 'inherit', from: upper(parents[0]!), to: upper(directory) });
  }

  async inheritUnlisted({ directory, parents }: BackendSnapshot): Promise<void> {
    await treeThreads.run({
      type: 'inherit-unlisted',
      tree: upper(directory),
      lowers: parents.map(upper),
      older: work(directory),
    });
  }

  #idMapOptions({ [UIDMAPPING_LABEL]: uids, [GIDMAPPING_LABEL]: gids }: BackendSnapshot['labels']): string[] {
    if (!this.#support.idmapped || uids === undefined || gids === undefined) return [];
    return [`uidmap=${uids}`, `gidmap=${gids}`];
  }
}

/**
 * A layer that is unpacked beside those below it. Nothing but an upperdir can keep its whiteouts: containerd's own differ
 * writes there, as overlayfs would. Without a lowerdir the kernel refuses the mount, so that no other can unpack
 * through it and lose them: on a bind mount a whiteout removes what is not there, and leaves no mark.
 */
function isForLaterParent(labels: BackendSnapshot['labels'], parents: readonly string[]): boolean {
  return parents.length === 0 && labels[PARENT_CHAIN_ID_LABEL] !== undefined;
}

function inherit(from: string, to: string): void {
  const system = openLinuxSystem();
  const open = (path: string) => system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0);
  const source = open(from);
  try {
    const copy = open(to);
    try {
      copyRoot(system, source, copy);
    } finally {
      system.close(copy);
    }
  } finally {
    system.close(source);
  }
}

function bind(source: string, options: readonly string[], readOnly: boolean): Mount {
  return { type: 'bind', source, options: [...options, readOnly ? 'ro' : 'rw', 'rbind'] };
}
