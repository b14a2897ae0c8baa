import { dirname } from 'node:path';
import type { AppliedLayer } from '../layer/unpack-layer.js';
import { describeLayer } from '../snapshot/describe-contents.js';
import type { CommitOptions, Snapshotter } from '../snapshot/snapshotter.js';
import { unpackPlace } from '../snapshot/unpack-place.js';

/** What a commit need not find out again. */
export type Known = Pick<CommitOptions, 'described' | 'inheritsRoot'>;

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
  begin(directory: string): (applied: AppliedLayer) => void {
    const earlier = this.#known.get(directory);
    // Whoever takes it waits for what is still being written.
    const nothing = Promise.resolve(earlier).then(() => ({}));
    this.#known.set(directory, nothing);
    return (applied) => {
      if (earlier !== undefined || this.#known.get(directory) !== nothing) return;
      this.#known.set(directory, this.#describe(directory, applied));
    };
  }

  async #describe(directory: string, applied: AppliedLayer): Promise<Known> {
    try {
      const described = await describeLayer(this.#snapshots.backend, dirname(directory), applied);
      return { described, inheritsRoot: !applied.layer.listsRoot };
    } catch {
      return {}; // the commit tries again, and says why not
    }
  }

  /** Ends with the snapshot: it is committed, or removed. */
  async take(key: string): Promise<Known> {
    if (this.#known.size === 0) return {};
    const directory = await this.#directoryOf(key);
    if (directory === undefined) return {};
    const knowing = this.#known.get(directory);
    this.#known.delete(directory);
    const known = await knowing;
    return known !== undefined && /(?:^|\/)extract-[^/]*$/.test(key) ? known : {};
  }

  async #directoryOf(key: string): Promise<string | undefined> {
    try {
      const mounts = await this.#snapshots.mounts(key);
      const { capabilities } = this.#snapshots.backend;
      return unpackPlace({ mounts, parent: undefined, capabilities })?.destination;
    } catch {
      return undefined; // what follows says why
    }
  }
}
