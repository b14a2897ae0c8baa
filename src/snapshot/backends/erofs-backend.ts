import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { LazyLowers } from '../../layer/erofs/lazy-lowers.js';
import { shownRoot } from '../../layer/erofs/lower-tree.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import { SHARED_MOUNTS } from '../../mount/kept-mounts.js';
import type { Mount } from '../../mount/mount.js';
import { escapeLayer } from '../../mount/overlay-layers.js';
import type { OverlaySupport } from '../../mount/overlay-support.js';
import { escapeTemplate } from '../../mount/templates.js';
import { withDirectory } from '../../rootfs/directory.js';
import { openLinuxSystem } from '../../system/linux.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { measureLayer } from '../contents/erofs-contents.js';
import { addMergedFile } from '../contents/merged-file.js';
import { flushFileSystem } from '../fill/flush-point.js';
import { DIFF_ID_LABEL, SNAPSHOT_REF_LABEL } from '../labels.js';
import { layerFileOf, mergedFileOf } from '../store/layer-files.js';
import { makeTree, treeOf } from '../store/snapshot-files.js';
import { takeAttributes } from '../trees/inherit-attributes.js';
import { treeThreads } from '../trees/tree-threads.js';
import type {
  BackendSnapshot,
  Capability,
  CreateOptions,
  MountsOptions,
  SnapshotBackend,
  Supplied,
} from './backend.js';
import { idMapOptions, mappedRoot } from './id-mapping.js';
import { LayerPool } from './layer-pool.js';
import { isForLaterParent } from './overlay-backend.js';

const work = (directory: string) => join(directory, 'work');

/**
 * Each committed snapshot is one EROFS file that holds the tar of its layer. Active snapshots have an upperdir, `fs`, and
 * a workdir. Mounts are lists with templates, in the form of containerd's mount manager.
 */
export class ErofsBackend implements SnapshotBackend {
  readonly name = 'erofs';
  readonly capabilities: readonly Capability[];
  readonly #support: OverlaySupport;
  readonly #pool: LayerPool;
  readonly #sharedMounts: string;

  /** @param snapshots the parent of the snapshots' directories, without symlinks */
  constructor(support: OverlaySupport, snapshots: string) {
    this.#support = support;
    this.#pool = new LayerPool(dirname(snapshots));
    this.#sharedMounts = join(dirname(snapshots), SHARED_MOUNTS);
    this.capabilities = support.idmapped ? ['rebase', 'remap-ids'] : ['rebase'];
  }

  async create(
    { directory, parents, kind, labels }: BackendSnapshot,
    { merged = true, signal }: CreateOptions = {},
  ): Promise<Supplied | undefined> {
    const layers = parents.map(layerFileOf);
    const wanted = labels[DIFF_ID_LABEL];
    const isUnpack = kind === 'active' && labels[SNAPSHOT_REF_LABEL] !== undefined && wanted !== undefined;
    if (isUnpack && this.#pool.take(wanted, layerFileOf(directory))) return 'staged';
    if (kind === 'view') {
      if (layers.length > 1 && merged) await addMergedFile(directory, parents, { signal });
      // The root of the uppermost layer is shown, unless a directory is above it.
      if (layers.length > 0 && hasRootOfTop(layers)) return undefined;
    } else {
      mkdirSync(work(directory));
      chmodSync(work(directory), 0o711);
    }
    const root = treeOf(directory);
    makeTree(root);
    if (layers.length > 0) inheritRoot(layers, root);
    const owner = mappedRoot(labels);
    const isMapped = layers.length === 0 && this.#support.idmapped;
    if (owner !== undefined && !isMapped) chownSync(root, owner.uid, owner.gid);
    return undefined;
  }

  /** The options have containerd's order. */
  mounts(
    { directory, parents, labels, kind, readOnly }: BackendSnapshot,
    { merged: mayMerge = true }: MountsOptions = {},
  ): readonly Mount[] {
    const tree = treeOf(directory);
    if (isForLaterParent(labels, parents) && !readOnly)
      return [{ type: 'overlay', source: 'overlay', options: [`upperdir=${escapeLayer(tree)}`] }];
    const maps = this.#support.idmapped ? idMapOptions(labels) : [];
    // A snapshot that the backend has filled itself is readable only.
    const layers = [...(kind === 'active' && readOnly ? [directory] : []), ...parents].map(layerFileOf);
    if (layers.length === 0)
      return [{ type: 'bind', source: tree, options: [...maps, readOnly ? 'ro' : 'rw', 'rbind'] }];
    const sharedIn = this.#sharedMounts;
    const merged = mergedFileOf(directory);
    if (mayMerge && kind === 'view' && existsSync(merged)) {
      const devices = layers.toReversed().map((file) => `device=${file}`);
      return [{ type: 'erofs', source: merged, options: [...maps, 'ro', ...devices], sharedIn }];
    }
    const isCovered = kind === 'view' && existsSync(tree);
    const mounts = layers.map((source): Mount => ({ type: 'erofs', source, options: ['ro'], sharedIn }));
    if (readOnly && layers.length === 1 && !isCovered) return [{ ...mounts[0]!, options: [...maps, 'ro'] }];
    const inTemplate = (path: string) => escapeTemplate(escapeLayer(path));
    const files = layers.length === 1 ? '{{ mount 0 }}' : `{{ overlay 0 ${layers.length - 1} }}`;
    const options = [
      ...maps,
      ...(readOnly ? [] : [`workdir=${inTemplate(work(directory))}`, `upperdir=${inTemplate(tree)}`]),
      `lowerdir=${isCovered ? `${inTemplate(tree)}:` : ''}${files}`,
      ...(this.#support.indexOff ? ['index=off'] : []),
      ...(kind === 'active' && readOnly ? ['ro'] : []),
    ];
    return [...mounts, { type: 'format/overlay', source: 'overlay', options }];
  }

  async usage({ directory }: BackendSnapshot, { signal }: AbortableOptions = {}): Promise<SnapshotUsage> {
    const tree = treeOf(directory);
    return existsSync(tree)
      ? await treeThreads.run({ type: 'measure', directory: tree }, signal)
      : measureLayer(directory);
  }

  /**
   * Flushes the file system if the layer was read from a tree: only that flush tells of writes to the tree that the disk
   * has lost before. Else flushes the files in the directory.
   */
  async sync({ directory }: BackendSnapshot): Promise<void> {
    const tree = treeOf(directory);
    if (existsSync(tree)) return await flushFileSystem(tree);
    const files = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
    // At the same time: the journal of the file system is then committed once for all of them.
    await Promise.all(files.map(({ name }) => syncFile(join(directory, name))));
    await syncDirectory(directory);
  }

  /** Only for a tree. A layer file depends on its lower layers or not, and the commit makes it again if it does. */
  async inheritUnlisted({ directory, parents }: BackendSnapshot): Promise<void> {
    const tree = treeOf(directory);
    if (!existsSync(tree)) return;
    const lowers = parents.map(layerFileOf);
    await treeThreads.run({ type: 'inherit-unlisted', tree, lowers, older: work(directory) });
  }
}

function hasRootOfTop(layers: readonly string[]): boolean {
  using lowers = new LazyLowers(openLinuxSystem(), layers);
  const [top] = lowers;
  return layers.length === 1 || !top!.inheritsRoot;
}

/** Gives a directory owner, mode, attributes and times of the root of the layers. */
function inheritRoot(layers: readonly string[], to: string): void {
  const system = openLinuxSystem();
  using lowers = new LazyLowers(system, layers);
  withDirectory(system, to, (directory) => takeAttributes(system, directory, shownRoot(lowers)!));
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
