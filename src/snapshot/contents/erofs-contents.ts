import { existsSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { isCode, type OverlayerError } from '../../base/errors.js';
import { EMPTY_DIFF_ID, isUnchanged, packUpperdir } from '../../layer/diff/pack-upperdir.js';
import { type ErofsLayerInfo, readErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { readErofsTar, verifyErofsLayer } from '../../layer/erofs/verify-erofs-layer.js';
import type { LayerSource } from '../../layer/options.js';
import { applyLayer } from '../../layer/unpack-layer.js';
import type { SnapshotKind, SnapshotUsage } from '../../metadata/snapshot-records.js';
import { KEPT_MOUNTS, KeptMounts } from '../../mount/kept-mounts.js';
import { sweepShared } from '../../mount/shared-mounts.js';
import { shownLayers } from '../../mount/shown-layers.js';
import type { DiffID } from '../../oci/digest.js';
import { syncDirectory } from '../../system/sync-directory.js';
import type { BackendSnapshot } from '../backends/backend.js';
import { LayerPool } from '../backends/layer-pool.js';
import type { PreparedSnapshot } from '../fill/fill-place.js';
import { filledFileOf, layerFileOf, layerFiles, mergedFileOf, sharedFileOf } from '../store/layer-files.js';
import { RECORD_NAMES, treeOf } from '../store/snapshot-files.js';
import { treeThreads } from '../trees/tree-threads.js';
import type { ContentDamage, DescribedContents, SnapshotContents, VerifyOptions } from './contents.js';
import { ErofsPlace } from './erofs-place.js';
import { measureMergedFile, verifyMergedFile } from './merged-file.js';

/** All that the directory of a committed snapshot has. */
const KEPT: readonly string[] = [
  ...RECORD_NAMES,
  ...[layerFileOf(''), mergedFileOf('')].map((path) => basename(path)),
];

/**
 * One layer file, `layer.erofs`, which describes itself. An active snapshot has a tree, `fs`, for what is written through
 * its mounts, or a layer file for a layer that was unpacked. A layer file beside a tree is the rest of an interrupted
 * commit.
 */
export class ErofsContents implements SnapshotContents {
  missing(directory: string, kind: SnapshotKind): string | undefined {
    if (kind === 'view' || existsSync(layerFileOf(directory))) return undefined;
    if (kind === 'committed') return 'its layer file is gone';
    return existsSync(treeOf(directory)) || existsSync(filledFileOf(directory))
      ? undefined
      : 'its tree is gone';
  }

  place({ mounts }: PreparedSnapshot): ErofsPlace | undefined {
    const [tree, ...lowers] = shownLayers(mounts) ?? [];
    if (tree?.type !== 'directory') return undefined;
    return new ErofsPlace(dirname(tree.path), { hasLowers: lowers.length > 0 });
  }

  placeIn(directory: string, parents: readonly string[]): ErofsPlace {
    return new ErofsPlace(directory, { hasLowers: parents.length > 0 });
  }

  async describe(directory: string): Promise<DescribedContents> {
    return { usage: measureLayer(directory) };
  }

  async settle(
    { directory, parents }: BackendSnapshot,
    { signal }: AbortableOptions,
  ): Promise<DescribedContents> {
    const file = layerFileOf(directory);
    if (existsSync(treeOf(directory))) {
      rmSync(file, { force: true });
      await pack(directory, parents.map(layerFileOf), signal);
    } else {
      completeFill(directory);
      if (readErofsLayer(file).dependsOnLowers) await indexAgain(directory, parents, signal);
    }
    return await this.describe(directory);
  }

  /** A layer that was unpacked stays: its tree is gone. */
  async unsettle(directory: string): Promise<void> {
    if (existsSync(treeOf(directory))) rmSync(layerFileOf(directory), { force: true });
  }

  async committed(directory: string): Promise<{ readonly freed: Promise<void> }> {
    await poolOf(directory).share(layerFileOf(directory));
    return { freed: removeRests(directory) };
  }

  removing(directory: string): ReturnType<LayerPool['leave']> {
    return poolOf(directory).leave(layerFileOf(directory));
  }

  async cleanUp(snapshots: string, committed: readonly string[], options: AbortableOptions): Promise<void> {
    for (const directory of committed)
      if (existsSync(layerFileOf(directory)) && restsIn(directory).length > 0)
        await (await this.committed(directory)).freed;
    const root = dirname(snapshots);
    await new LayerPool(root).sweep();
    await keptMountsOf(snapshots).sweep(options);
    await sweepShared(root, options);
  }

  unusedMounts(snapshots: string): readonly string[] {
    return keptMountsOf(snapshots).unused();
  }

  /** Snapshots that share a file share its verification. */
  async verify(directory: string, options: VerifyOptions): Promise<readonly ContentDamage[]> {
    const file = layerFileOf(directory);
    const { dev, ino } = statSync(file, { bigint: true });
    const key = `${dev}:${ino}`;
    const verified = options.shared.get(key) ?? verify(file, options);
    options.shared.set(key, verified);
    return await verified;
  }

  readonly verifySpare = verifyMergedFile;

  readonly measureSpare = measureMergedFile;

  /** The tar in the layer file, or in a file of the pool or of another snapshot with the same layer. */
  async storedLayer(
    directory: string,
    diffID: DiffID | undefined,
    { signal }: AbortableOptions,
  ): Promise<LayerSource | undefined> {
    const snapshots = dirname(directory);
    const others = diffID && [sharedFileOf(dirname(snapshots), diffID), ...layerFiles(snapshots)];
    const read = new Set<bigint>();
    for (const file of [layerFileOf(directory), ...(others ?? [])])
      try {
        const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
        if (stat === undefined || read.has(stat.ino)) continue;
        read.add(stat.ino);
        if (diffID !== undefined && readErofsLayer(file).diffID !== diffID) continue;
        const task = readErofsTar(file, { signal });
        for await (const _ of task);
        return (await task).tar;
      } catch (error) {
        if (!isDamage(error) && !isCode(error, 'NotFound')) throw error;
      }
    return undefined;
  }

  async mend(directory: string, spare: string): Promise<readonly []> {
    const [file, sound] = [layerFileOf(directory), layerFileOf(spare)];
    await poolOf(directory).share(sound);
    renameSync(sound, file);
    await syncDirectory(directory);
    return [];
  }

  async measure(directory: string): Promise<SnapshotUsage> {
    return measureLayer(directory);
  }
}

/** Makes the layer file of a tree, or takes the one without entries from the pool. */
async function pack(
  directory: string,
  lowers: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const [tree, file] = [treeOf(directory), layerFileOf(directory)];
  if (isUnchanged(tree, lowers) && poolOf(directory).take(EMPTY_DIFF_ID, file)) return;
  await packUpperdir(tree, file, { lowers, signal });
}

/** Blocks of the layer file, also where other snapshots share it, and inodes of the layer. */
export function measureLayer(directory: string): SnapshotUsage {
  const [layer, filled] = [layerFileOf(directory), filledFileOf(directory)];
  const file = existsSync(layer) ? layer : filled;
  return { bytes: statSync(file).blocks * 512, inodes: readErofsLayer(file).inodes };
}

/** Names that only an active snapshot needs. A crash after the commit may have left any of them. */
function restsIn(directory: string): readonly string[] {
  return readdirSync(directory).filter((name) => !KEPT.includes(name));
}

/** Does the last step of a fill that a crash has ended between the removal of the tree and the rename. */
function completeFill(directory: string): void {
  const [layer, filled] = [layerFileOf(directory), filledFileOf(directory)];
  if (!existsSync(layer) && existsSync(filled)) renameSync(filled, layer);
}

/** A busy disk takes 20 ms to remove five files that it has just flushed. */
async function removeRests(directory: string): Promise<void> {
  const names = restsIn(directory).filter((name) => !removesEmpty(join(directory, name)));
  if (names.length > 0) await treeThreads.run({ type: 'remove', parent: directory, names });
}

/** A thread takes longer than an empty directory. @returns false when it is something else */
function removesEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

/** The mounts of a daemon. */
function keptMountsOf(snapshots: string): KeptMounts {
  return new KeptMounts(join(dirname(snapshots), KEPT_MOUNTS), () => layerFiles(snapshots));
}

function poolOf(directory: string): LayerPool {
  return new LayerPool(dirname(dirname(directory)));
}

/** Makes the layer file again from its own tar, on the lower layers that it depends on. */
async function indexAgain(
  directory: string,
  parents: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = layerFileOf(directory);
  const again = join(directory, 'again.erofs');
  rmSync(again, { force: true });
  const { diffID, tar }: ErofsLayerInfo = readErofsLayer(file);
  const lowers = parents.map(layerFileOf);
  await applyLayer(tar, again, { target: 'erofs', lowers, diffID, temporary: true, signal });
  renameSync(again, file);
}

async function verify(
  file: string,
  { content, expected, counts, signal }: VerifyOptions,
): Promise<readonly ContentDamage[]> {
  let diffID = expected;
  try {
    const info = readErofsLayer(file);
    diffID = info.diffID;
    if (expected !== undefined && diffID !== expected)
      return [{ kind: 'layer-file', path: file, detail: `it is layer ${diffID}`, diffID: expected }];
    if (content) {
      const task = verifyErofsLayer(file, { signal });
      let counted = 0;
      for await (const { bytes } of task) {
        counts.count(0, bytes - counted);
        counted = bytes;
      }
      await task;
    }
    counts.count(info.inodes, 0);
    return [];
  } catch (error) {
    if (!isDamage(error)) throw error;
    diffID ??= poolOf(dirname(file)).diffIDOf(file);
    const { entry, message: detail } = error;
    return [
      entry === undefined
        ? { kind: 'layer-file', path: file, detail, diffID }
        : { kind: 'modified', path: entry, detail, diffID },
    ];
  }
}

/** A file of a store that does not begin as a layer file (`InvalidArgument`) is damaged too. */
function isDamage(error: unknown): error is OverlayerError {
  return isCode(error, 'DataLoss', 'InvalidArgument');
}
