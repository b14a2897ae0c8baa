import type { LayerProgress } from '../../layer/options.js';
import { flushFileSystem } from './flush-point.js';

/** Less is not worth a commit of the file system's journal; 20 to 100 MB make no difference. */
const STEP_BYTES = 32e6;
/**
 * A journal of 64 MB, as a file system of 6 GB has, is full after some 60,000 new files: all that make files have to wait
 * then, 0.1 s each time, while the kernel empties it.
 */
const STEP_ENTRIES = 12_000;

/**
 * Has the disk write what a layer brings while it is being unpacked, so that its commit has little left to wait for. That
 * pays most where layers come one after the other: five of 1.35 GB go through containerd in 7.2 s instead of 8.2; an
 * import, which unpacks the next layer while one is committed, takes up to 3 % less time, where it shows at all.
 */
export class EarlyFlush {
  readonly #directory: string;
  #begunAt: Pick<LayerProgress, 'bytes' | 'entries'> = { bytes: 0, entries: 0 };
  #isFlushing = false;

  /** @param directory on the file system that the layer goes to */
  constructor(directory: string) {
    this.#directory = directory;
  }

  onProgress({ bytes, entries }: Pick<LayerProgress, 'bytes' | 'entries'>): void {
    const { bytes: bytesThen, entries: entriesThen } = this.#begunAt;
    const isLittle = bytes - bytesThen < STEP_BYTES && entries - entriesThen < STEP_ENTRIES;
    if (this.#isFlushing || isLittle) return;
    this.#begunAt = { bytes, entries };
    this.#isFlushing = true;
    // After one that fails there is no other; whoever waits for the bytes to be there has a `FlushPoint`.
    flushFileSystem(this.#directory).then(
      () => (this.#isFlushing = false),
      () => {},
    );
  }
}
