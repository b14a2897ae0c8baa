import { existsSync, statSync } from 'node:fs';
import type { AbortableOptions } from '../../base/abort.js';
import { isCode } from '../../base/errors.js';
import { findMergedDamage } from '../../layer/erofs/find-merged-damage.js';
import { mergeErofsLayers } from '../../layer/erofs/merge-erofs-layers.js';
import type { SnapshotKind } from '../../metadata/snapshot-records.js';
import { layerFileOf, linkIfPossible, mergedFileOf } from '../store/layer-files.js';
import type { ContentDamage } from './contents.js';

/**
 * Gives the new directory of a view the merged metadata of its layers. The first view of a snapshot makes the file, and
 * leaves a hard link in the directory of the snapshot for later views: 86,000 entries take 0.3 s, a link nothing.
 *
 * The file is whole and on the disk before it is shared, so no lock is needed, and a crash leaves nothing but the
 * directory of the view. Without the file, the view is an overlay of the layers: layers for which a merged image has no
 * room have none.
 *
 * @param parents directories, nearest first
 * @throws OverlayerError as `mergeErofsLayers`, but not `ResourceExhausted`
 * @throws `signal.reason`
 */
export async function addMergedFile(
  directory: string,
  parents: readonly string[],
  { signal }: AbortableOptions,
): Promise<void> {
  const file = mergedFileOf(directory);
  const shared = mergedFileOf(parents[0]!);
  if (linkIfPossible(shared, file)) return;
  try {
    await mergeErofsLayers(parents.map(layerFileOf).reverse(), file, { signal });
  } catch (error) {
    if (isCode(error, 'ResourceExhausted')) return;
    throw error;
  }
  linkIfPossible(file, shared);
}

/** The bytes belong to the committed snapshot. A view has a file of its own when that could not get a link. */
export function measureMergedFile(directory: string, kind: SnapshotKind): number {
  const stat = statSync(mergedFileOf(directory), { throwIfNoEntry: false });
  return stat !== undefined && (kind === 'committed' || stat.nlink === 1) ? stat.blocks * 512 : 0;
}

/** @returns undefined when there is no such file, or every byte of it is as it was written */
export async function verifyMergedFile(
  directory: string,
  options: AbortableOptions,
): Promise<ContentDamage | undefined> {
  const path = mergedFileOf(directory);
  const detail = existsSync(path) ? await findMergedDamage(path, options) : undefined;
  return detail === undefined ? undefined : { kind: 'merged-file', path, detail };
}
