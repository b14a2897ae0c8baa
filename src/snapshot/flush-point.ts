import { closeSync, openSync } from 'node:fs';
import { treeThreads } from './tree-threads.js';

/**
 * An instant from which on no write is lost unnoticed. Of those that were, the kernel tells whoever flushes next, and
 * whoever had the file system open before (syncfs(2), since Linux 5.8): a flush behind another's hears of none.
 */
export class FlushPoint implements Disposable {
  readonly directory: string;
  readonly #descriptor: number;

  /** @param directory on the file system that is going to be written to */
  constructor(directory: string) {
    this.directory = directory;
    this.#descriptor = openSync(directory, 'r');
  }

  /** @throws OverlayerError what was written since is not all on the disk */
  async flush(): Promise<void> {
    await treeThreads.run({ type: 'sync-descriptor', descriptor: this.#descriptor });
  }

  /** Not while it flushes. */
  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
