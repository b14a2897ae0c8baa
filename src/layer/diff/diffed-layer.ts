import type { Taken } from '../../base/threads/pool.js';
import type { LayerResult, ProgressOptions } from '../options.js';
import type { Crew } from '../worker/crew.js';
import type { ArchiveSummary, DiffedTrees } from '../worker/jobs.js';
import { runUnpackedDiff, type UnpackedDiff } from './create-diff.js';
import type { CreateDiffOptions } from './options.js';

/**
 * A layer that is made while it is unpacked: `applyLayer` takes it in place of a source. One thread reads the trees and
 * writes the archive into memory. From there a second thread compresses it, and a third one unpacks it.
 */
export class DiffedLayer {
  readonly #trees: DiffedTrees;
  readonly #options: CreateDiffOptions;
  readonly #write: (bytes: Uint8Array) => Promise<void>;

  /** @param write gets the bytes of the layer, in order. The next bytes are made while it writes */
  constructor(trees: DiffedTrees, options: CreateDiffOptions, write: (bytes: Uint8Array) => Promise<void>) {
    this.#trees = trees;
    this.#options = options;
    this.#write = write;
  }

  /**
   * @param unpack asks the apply thread of the crew for its part
   * @throws OverlayerError as `createDiff`; the errors of `unpack` and of `write`
   */
  async run(
    crew: Taken<Crew>,
    { onProgress }: ProgressOptions,
    unpack: () => Promise<ArchiveSummary>,
  ): Promise<LayerResult> {
    const { compression = 'gzip' } = this.#options;
    const bytes = runUnpackedDiff(crew, this.#trees, { ...this.#options, onProgress }, unpack);
    const { diff, unpacked } = await this.#drain(bytes);
    const { descriptor, diffID, whiteouts } = diff;
    const { size, entries, listsRoot, anomalies } = unpacked;
    return {
      ...{ digest: descriptor.digest, diffID, compression, size, compressedSize: descriptor.size },
      ...{ entries, whiteouts, listsRoot, anomalies },
    };
  }

  async #drain(bytes: AsyncGenerator<Uint8Array, UnpackedDiff>): Promise<UnpackedDiff> {
    let written = Promise.resolve();
    try {
      for (;;) {
        const { done, value } = await bytes.next();
        await written;
        if (done) return value;
        written = this.#write(value);
        written.catch(() => {});
      }
    } finally {
      await bytes.return(undefined as never);
      await written.catch(() => {});
    }
  }
}
