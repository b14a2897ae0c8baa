import type { LayerProgress } from '../layer/options.js';
import { treeThreads } from './tree-threads.js';

/** Less is not worth a commit of the file system's journal; 20 to 100 MB make no difference. */
const STEP_BYTES = 32e6;

/**
 * Has the disk write what a layer brings while it is being unpacked, so that its commit has little left to wait for.
 * That pays where layers come one after the other: five of 1.35 GB go through containerd in 7.2 s instead of 8.2.
 */
export class EarlyFlush {
  readonly #directory: string;
  #begunAt = 0;
  #isFlushing = false;

  /** @param directory on the file system that the layer goes to */
  constructor(directory: string) {
    this.#directory = directory;
  }

  onProgress({ bytes }: Pick<LayerProgress, 'bytes'>): void {
    if (this.#isFlushing || bytes - this.#begunAt < STEP_BYTES) return;
    this.#begunAt = bytes;
    this.#isFlushing = true;
    // After one that fails there is no other; whoever waits for the bytes to be there has a `FlushPoint`.
    treeThreads.run({ type: 'sync', directory: this.#directory }).then(
      () => (this.#isFlushing = false),
      () => {},
    );
  }
}
