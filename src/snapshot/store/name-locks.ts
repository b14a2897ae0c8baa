import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import { waitForLock } from '../../rootfs/wait-for-lock.js';
import type { SnapshotDirectories } from './snapshot-directories.js';
import { checkSnapshotName } from './snapshot-info.js';

/** Locks of names, over all processes that have the snapshots open. */
export class NameLocks {
  readonly #directories: SnapshotDirectories;
  readonly #holding = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(directories: SnapshotDirectories) {
    this.#directories = directories;
  }

  /** Whether a lock is held or waited for through this object. */
  get held(): boolean {
    return this.#holding.size > 0;
  }

  async hold<T>(
    name: string,
    use: (closing: AbortSignal) => Promise<T>,
    { signal }: AbortableOptions,
  ): Promise<T> {
    const holding = this.#hold(name, use, signal);
    this.#holding.add(holding);
    try {
      return await holding;
    } finally {
      this.#holding.delete(holding);
    }
  }

  /** Rejects waiting callers, and waits until all locks are released. */
  async close(): Promise<void> {
    this.#closing.abort(closed());
    await Promise.allSettled(this.#holding);
  }

  async #hold<T>(
    name: string,
    use: (closing: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    checkSnapshotName(name);
    const take = () => {
      this.#closing.signal.throwIfAborted();
      return this.#directories.takeNameLock(name);
    };
    const release = await waitForLock(take, { path: this.#directories.nameLockOf(name), signal });
    try {
      return await use(this.#closing.signal);
    } finally {
      release();
    }
  }
}

export function closed(): OverlayerError {
  return new OverlayerError('FailedPrecondition', 'The snapshotter is closed');
}
