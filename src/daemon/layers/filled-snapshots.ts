import { dirname } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import type { ProgressOptions } from '../../layer/options.js';
import type { AppliedLayer } from '../../layer/unpack-layer.js';
import { describeLayer } from '../../snapshot/fill/describe-contents.js';
import { EarlyFlush } from '../../snapshot/fill/early-flush.js';
import { FlushPoint } from '../../snapshot/fill/flush-point.js';
import { unpackPlace } from '../../snapshot/fill/unpack-place.js';
import { UNPACKED_LAYER_LABEL } from '../../snapshot/labels.js';
import type { CommitOptions, Snapshotter } from '../../snapshot/snapshotter.js';
import { readRecordFile } from '../../snapshot/store/record-file.js';
import { type UnpackedLayer, unpackedLayerLabel } from './unpacked-layer.js';

/** What a commit need not find out again. */
export type Known = Pick<CommitOptions, 'described'>;

/** A layer that is being unpacked. */
export interface Filling extends Required<ProgressOptions> {
  /** @param applied what is there; undefined when that can't be told */
  readonly end: (applied: AppliedLayer | undefined) => void;
}

/**
 * Snapshots that were filled with one layer and are about to be committed. The layer's manifest is written right after
 * it, so that a commit need not read all of its files again.
 *
 * That holds as long as nobody else writes to them, which a daemon can't see. So it is for those only that containerd
 * makes to unpack a layer, whose keys say so (core/unpack, UnpackKeyPrefix): between Apply and Commit it touches nothing.
 */
export class FilledSnapshots {
  readonly #snapshots: Snapshotter;
  /** By the directory that the layer goes into. */
  readonly #known = new Map<string, Promise<Known>>();

  constructor(snapshots: Snapshotter) {
    this.#snapshots = snapshots;
  }

  /** A layer is about to be unpacked there. Of several, at once or one after the other, nothing is known. */
  begin(directory: string): Filling {
    const earlier = this.#known.get(directory);
    // Whoever takes it waits for what is still being written.
    const nothing = Promise.resolve(earlier).then(() => ({}));
    nothing.catch(() => {});
    this.#known.set(directory, nothing);
    const start = new FlushPoint(dirname(directory));
    const early = new EarlyFlush(directory);
    return {
      onProgress: (progress) => early.onProgress(progress),
      end: (applied) => {
        const known = this.#known.get(directory);
        const isAlone = earlier === undefined && known === nothing;
        const flushed = isAlone && applied ? this.#describe(applied, start) : flush(known ?? nothing, start);
        const ended = flushed.finally(() => start[Symbol.dispose]());
        ended.catch(() => {}); // `take` tells it
        if (known !== undefined) this.#known.set(directory, ended); // else it was removed
      },
    };
  }

  async #describe(applied: AppliedLayer, start: FlushPoint): Promise<Known> {
    const described = await describeLayer(this.#snapshots.backend, applied, start);
    return { described };
  }

  /**
   * Writes down, in the snapshot's labels, which layer was unpacked there before it is known what is below: a commit has
   * to know, also after a restart.
   *
   * @param layer undefined when there is more than one
   */
  async note(directory: string, layer: UnpackedLayer | undefined): Promise<void> {
    const record = await readRecordFile(dirname(directory));
    if (typeof record === 'string')
      throw new OverlayerError('DataLoss', `Cannot tell whose directory "${directory}" is: ${record}`);
    const labels = unpackedLayerLabel(layer);
    await this.#snapshots.update(record.name, { labels }, { fieldpaths: [`labels.${UNPACKED_LAYER_LABEL}`] });
  }

  /**
   * For the commit.
   *
   * @throws OverlayerError what has failed since the layer was there. It may not be on the disk, and no later flush
   * would tell: the snapshot can only be removed
   */
  async take(key: string): Promise<Known> {
    const directory = await this.#directoryOf(key);
    if (directory === undefined) return {};
    const known = await this.#known.get(directory);
    this.#known.delete(directory);
    return known !== undefined && isExtraction(key) ? known : {};
  }

  /** The snapshot is about to be removed; nobody is at work in it any more. */
  async forget(key: string): Promise<void> {
    const directory = await this.#directoryOf(key);
    if (directory === undefined) return;
    await this.#known.get(directory)?.catch(() => {});
    this.#known.delete(directory);
  }

  /** Of one that may have been filled. */
  async #directoryOf(key: string): Promise<string | undefined> {
    if (this.#known.size === 0) return undefined;
    try {
      const mounts = await this.#snapshots.mounts(key);
      const { capabilities } = this.#snapshots.backend;
      return unpackPlace({ mounts, parent: undefined, capabilities })?.destination;
    } catch {
      return undefined; // what follows says why
    }
  }
}

async function flush(known: Promise<Known>, start: FlushPoint): Promise<Known> {
  await Promise.allSettled([known]);
  await start.flush();
  return await known;
}

/** Whether containerd has made the snapshot to unpack a layer, as its key says (core/unpack, UnpackKeyPrefix). */
export function isExtraction(key: string): boolean {
  return /(?:^|\/)extract-[^/]*$/.test(key);
}
