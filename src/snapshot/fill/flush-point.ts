import type { OverlayerError } from '../../base/errors.js';
import { Semaphore } from '../../base/semaphore.js';
import { fromSystemError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, asSystemError, O } from '../../system/system.js';

/** Disks have nothing to gain from more, and libuv has four threads for all that a process waits for. */
const flushes = new Semaphore(2);

/**
 * An instant from which on no write is lost unnoticed. Of those that were, the kernel tells whoever flushes next, and
 * whoever had the file system open before (syncfs(2), since Linux 5.8): a flush behind another's hears of none.
 */
export class FlushPoint implements Disposable {
  readonly directory: string;
  readonly #name: string;
  readonly #descriptor: number;

  /**
   * @param directory on the file system that is going to be written to
   * @param name that errors have for it
   * @throws OverlayerError
   */
  constructor(directory: string, name = directory) {
    this.directory = directory;
    this.#name = name;
    try {
      this.#descriptor = openLinuxSystem().openAt(AT_FDCWD, directory, O.RDONLY | O.DIRECTORY, 0);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /** @throws OverlayerError what was written since is not all on the disk */
  async flush(): Promise<void> {
    const leave = await flushes.enter();
    try {
      await openLinuxSystem().flushFileSystem(this.#descriptor);
    } catch (error) {
      throw this.#refused(error);
    } finally {
      leave();
    }
  }

  /** Not while it flushes. */
  [Symbol.dispose](): void {
    openLinuxSystem().close(this.#descriptor);
  }

  #refused(error: unknown): OverlayerError {
    return fromSystemError(asSystemError(error, this.#name), `Cannot sync "${this.#name}"`);
  }
}

/** Brings all of the file system that a directory is on to the disk. @throws OverlayerError */
export async function flushFileSystem(directory: string, name = directory): Promise<void> {
  using now = new FlushPoint(directory, name);
  await now.flush();
}
