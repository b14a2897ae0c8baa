import { existsSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { OverlayerError } from '../../base/errors.js';
import type { DiffedLayer } from '../../layer/diff/diffed-layer.js';
import type { LayerSource } from '../../layer/options.js';
import { type AppliedLayer, applyLayer } from '../../layer/unpack-layer.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { syncDirectory } from '../../system/sync-directory.js';
import type { FillPlace, WriteLayerOptions } from '../fill/fill-place.js';
import { filledFileOf, layerFileOf } from '../store/layer-files.js';
import { treeOf } from '../store/snapshot-files.js';

/**
 * The layer file of a snapshot. It is written without the lower layers, so that all chains with this layer can share it.
 * A layer that depends on them is indexed again by the commit, from its own tar.
 */
export class ErofsPlace implements FillPlace {
  readonly destination: string;
  readonly mayGetLowers: boolean;
  readonly merges = false;
  readonly #directory: string;

  /** @param directory of an active snapshot into which nothing was written */
  constructor(directory: string, { hasLowers }: { readonly hasLowers: boolean }) {
    this.destination = layerFileOf(directory);
    this.mayGetLowers = !hasLowers;
    this.#directory = directory;
  }

  /**
   * Writes the file beside the tree, which stays the contents of the snapshot.
   *
   * @throws OverlayerError as `unpackLayer`; `FailedPrecondition`: the snapshot has a layer; `Unimplemented`: the labels
   *   map owners, and mounts can't
   */
  async write(source: LayerSource | DiffedLayer, options: WriteLayerOptions): Promise<AppliedLayer> {
    const { isSealed: _, owners, lowersLater, ...reading } = options;
    if (owners !== undefined)
      throw new OverlayerError(
        'Unimplemented',
        'A layer file has the owners of its layer: they are not mapped',
        {
          hint: 'the backend "erofs" maps owners by idmapped mounts, which this kernel or file system does not have',
        },
      );
    const hasOrGetsLowers = !this.mayGetLowers || lowersLater !== undefined;
    const filled = filledFileOf(this.#directory);
    if (!existsSync(treeOf(this.#directory)))
      throw new OverlayerError(
        'FailedPrecondition',
        `A layer was unpacked into snapshot directory "${this.#directory}" before`,
        { hint: 'commit it, and unpack the next layer into a snapshot on it' },
      );
    // The tree is still there, so the file is the rest of a fill that a crash has ended.
    rmSync(filled, { force: true });
    const applied = await applyLayer(source, filled, {
      ...reading,
      ...{ target: 'erofs', sync: false, flushSoon: true },
      lowersLater: hasOrGetsLowers ? 'note' : undefined,
    });
    // The commit asks the file itself.
    return { ...applied, needsLowers: undefined };
  }

  /** @throws OverlayerError `FailedPrecondition`: something was written into the snapshot */
  async finish(): Promise<void> {
    const filled = filledFileOf(this.#directory);
    try {
      this.#removeTree(filled);
      renameSync(filled, this.destination);
      await syncDirectory(this.#directory);
    } catch (error) {
      throw toOverlayerError(error, `Cannot put layer file "${this.destination}" in its place`);
    }
  }

  /** Without a tree, the layer file counts as the contents, under either name: a crash may come before the rename. */
  #removeTree(filled: string): void {
    try {
      rmdirSync(treeOf(this.#directory));
    } catch (error) {
      rmSync(filled, { force: true });
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error;
      throw new OverlayerError(
        'FailedPrecondition',
        `Files were written into snapshot directory "${this.#directory}" while a layer was unpacked there`,
        { hint: 'commit the layer first, and write into a snapshot on it', cause: error },
      );
    }
  }
}
