import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { NeedsLowers } from '../../layer/apply/lowers-later.js';
import type { Digest } from '../../oci/digest.js';
import type { FillPlace } from '../../snapshot/fill/fill-place.js';
import { LayerFill, placeBehind } from '../../snapshot/fill/layer-fill.js';
import type { Seal } from '../../snapshot/fill/seal.js';
import { UNPACKED_LAYER_LABEL } from '../../snapshot/labels.js';
import type { SnapshotInfo, Snapshotter } from '../../snapshot/snapshotter.js';
import { readRecordFile } from '../../snapshot/store/snapshot-files.js';

/** A layer that this differ has unpacked into a snapshot before its parent was known. */
export interface UnpackedLayer {
  /** The blob's digest. */
  readonly digest: Digest;
  readonly listsRoot: boolean;
  /** Undefined: the layer comes out the same on any lower layers. */
  readonly needs?: NeedsLowers | undefined;
}

/**
 * Snapshots that were filled with one layer and will be committed. The layer's manifest is written right after the
 * layer, so that the commit need not read all of its files again.
 *
 * That holds as long as nothing else writes to the snapshot, which a daemon can't see. So seals are kept only for the
 * snapshots that containerd makes to unpack a layer, as their keys say (core/unpack, UnpackKeyPrefix): containerd does
 * not touch them between Apply and Commit.
 */
export class FilledSnapshots {
  readonly #snapshots: Snapshotter;
  /** The key is the snapshot's directory. Undefined: the contents are unknown. */
  readonly #seals = new Map<string, Promise<Seal | undefined>>();

  constructor(snapshots: Snapshotter) {
    this.#snapshots = snapshots;
  }

  /**
   * Gives `work` a fill that has begun, and seals it afterwards. Several fills of one directory, at once or one after
   * the other, leave its contents unknown.
   *
   * @param directory of the snapshot, also where the place is mounts
   */
  async fill<T>(
    directory: string,
    place: FillPlace,
    options: { readonly temporary: boolean },
    work: (fill: LayerFill) => Promise<T>,
  ): Promise<T> {
    const earlier = this.#seals.get(directory);
    // A commit waits for writes of earlier fills.
    const unknown = Promise.resolve(earlier).then(() => undefined);
    unknown.catch(() => {});
    this.#seals.set(directory, unknown);
    // A layer file gets its place when it is flushed. The next fill finds it there.
    await earlier?.catch(() => {});
    const snapshot = { backend: this.#snapshots.backend, directory };
    const fill = LayerFill.begin(place, { snapshot, ...options });
    try {
      return await work(fill);
    } finally {
      const latest = this.#seals.get(directory);
      if (earlier !== undefined || latest !== unknown) fill.noteOtherWriter();
      const sealed = sealAfter(latest ?? unknown, fill);
      sealed.catch(() => {}); // `take` throws it
      if (latest !== undefined) this.#seals.set(directory, sealed); // else the snapshot was removed
    }
  }

  /**
   * Stores which layer was unpacked before its parent was known. The commit needs it, also after a restart of the
   * daemon, so it is a label of the snapshot (`overlayer/layer`).
   *
   * @param layer undefined when there is more than one
   */
  async note(directory: string, layer: UnpackedLayer | undefined): Promise<void> {
    const record = await readRecordFile(directory);
    if (typeof record === 'string')
      throw new OverlayerError('DataLoss', `Cannot tell whose directory "${directory}" is: ${record}`);
    const labels = layer && { [UNPACKED_LAYER_LABEL]: JSON.stringify(layer) };
    await this.#snapshots.update(record.name, { labels }, { fieldpaths: [`labels.${UNPACKED_LAYER_LABEL}`] });
  }

  /**
   * Takes the seal of a snapshot for its commit.
   *
   * @returns undefined when the contents are unknown
   * @throws OverlayerError the seal has failed. The layer may not be on the disk, and no later flush would report that,
   * so the snapshot can only be removed
   */
  async take(key: string): Promise<Seal | undefined> {
    const directory = await this.#directoryOf(key);
    if (directory === undefined) return undefined;
    const seal = await this.#seals.get(directory);
    this.#seals.delete(directory);
    return isExtraction(key) ? seal : undefined;
  }

  /** Waits for the seal and drops it, before the snapshot is removed. */
  async forget(key: string): Promise<void> {
    const directory = await this.#directoryOf(key);
    if (directory === undefined) return;
    await this.#seals.get(directory)?.catch(() => {});
    this.#seals.delete(directory);
  }

  /** @returns undefined when the snapshot can't have been filled */
  async #directoryOf(key: string): Promise<string | undefined> {
    if (this.#seals.size === 0) return undefined;
    try {
      const mounts = await this.#snapshots.mounts(key);
      const destination = placeBehind(this.#snapshots.backend, mounts)?.destination;
      return destination && dirname(destination);
    } catch {
      return undefined; // the commit or removal says why
    }
  }
}

/** Seals a fill after the earlier fills of the directory. @throws OverlayerError also the error of an earlier fill */
async function sealAfter(earlier: Promise<unknown>, fill: LayerFill): Promise<Seal | undefined> {
  try {
    await Promise.allSettled([earlier]);
    const seal = await fill.seal();
    await earlier;
    return seal.described && seal;
  } finally {
    fill[Symbol.dispose]();
  }
}

/** Whether containerd has made the snapshot to unpack a layer, as its key says (core/unpack, UnpackKeyPrefix). */
export function isExtraction(key: string): boolean {
  return /(?:^|\/)extract-[^/]*$/.test(key);
}

/** The layer that `FilledSnapshots.note` has stored. */
export function unpackedLayer({ labels }: Pick<SnapshotInfo, 'labels'>): UnpackedLayer | undefined {
  const label = labels[UNPACKED_LAYER_LABEL];
  return label === undefined ? undefined : JSON.parse(label);
}
