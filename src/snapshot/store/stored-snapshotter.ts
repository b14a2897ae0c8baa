import { ABORTABLE_OPTIONS, type AbortableOptions, orAborted } from '../../base/abort.js';
import { checkArgument, checkOptions } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { ProgressTask, type Task } from '../../base/task.js';
import { filterBy, LIST_OPTIONS, type ListOptions } from '../../metadata/filter-by.js';
import { UPDATE_OPTIONS, type UpdateOptions } from '../../metadata/labels.js';
import type { MetadataStore } from '../../metadata/metadata-store.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import {
  findRecord,
  getRecord,
  listRecords,
  type NamedRecord,
  removeRecord,
  updateRecord,
} from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { MountsOptions } from '../backends/backend.js';
import type { BackendChoice } from '../backends/choose-backend.js';
import { checkSnapshots } from '../check/check.js';
import type { CheckOptions, CheckProgress, CheckReport } from '../check/check-report.js';
import { type CleanupResult, cleanUp } from '../check/leftovers.js';
import { contentsOf } from '../contents/known-contents.js';
import {
  COMMIT_OPTIONS,
  type CommitOptions,
  MOUNTS_OPTIONS,
  PREPARE_OPTIONS,
  type PrepareOptions,
  type SnapshotInfo,
  type SnapshotPatch,
  type Snapshotter,
  VIEW_OPTIONS,
  type ViewOptions,
} from '../snapshotter.js';
import { commitSnapshot } from './commit-snapshot.js';
import { createSnapshot } from './create-snapshot.js';
import { closed, NameLocks } from './name-locks.js';
import { SnapshotIds } from './root-metadata.js';
import type { SnapshotDirectories } from './snapshot-directories.js';
import { snapshotFields, snapshotInfo } from './snapshot-info.js';
import { SnapshotRoot } from './snapshot-root.js';

/** Records that `walk` reads in one transaction. An open transaction holds space, so none stays open between events. */
const WALK_BATCH = 256;

/** The implementation of the contract: records in a metadata store, directories, and a backend for their layout. */
export class StoredSnapshotter implements Snapshotter {
  readonly backend: Snapshotter['backend'];
  readonly #root: SnapshotRoot;
  readonly #ids: SnapshotIds;
  readonly #running = new Set<Promise<unknown>>();
  readonly #locks: NameLocks;
  #closed: Promise<void> | undefined;

  constructor({ backend, reason }: BackendChoice, store: MetadataStore, directories: SnapshotDirectories) {
    this.#root = new SnapshotRoot(backend, store, directories);
    this.backend = { name: backend.name, capabilities: backend.capabilities, reason };
    this.#ids = new SnapshotIds(store);
    this.#locks = new NameLocks(directories);
  }

  prepare(key: string, options: PrepareOptions = {}): Promise<readonly Mount[]> {
    return this.#run(`Cannot prepare snapshot "${key}"`, () => {
      checkOptions('prepare', options, PREPARE_OPTIONS);
      return createSnapshot(this.#root, this.#ids, { kind: 'active', key }, options);
    });
  }

  view(key: string, options: ViewOptions = {}): Promise<readonly Mount[]> {
    return this.#run(`Cannot view snapshot "${key}"`, async () => {
      checkOptions('view', options, VIEW_OPTIONS);
      try {
        return await createSnapshot(this.#root, this.#ids, { kind: 'view', key }, options);
      } catch (error) {
        const canShow = options.parent !== undefined && contentsOf(this.#root.backend) !== undefined;
        if (!canShow || !OverlayerError.is(error) || error.errno !== 'EROFS') throw error;
        return this.#show(options.parent);
      }
    });
  }

  mounts(key: string, options: MountsOptions = {}): Promise<readonly Mount[]> {
    return this.#run(`Cannot tell the mounts of snapshot "${key}"`, () => {
      checkOptions('mounts', options, MOUNTS_OPTIONS);
      const { snapshot } = this.#root.get(key);
      if (snapshot.kind === 'committed')
        throw new OverlayerError('FailedPrecondition', `Snapshot "${key}" is committed and has no mounts`, {
          hint: 'make a view of it',
        });
      return this.#root.backend.mounts(snapshot, options);
    });
  }

  /** A view without a directory of its own, on a read-only file system. */
  #show(name: string): readonly Mount[] {
    const { directory, labels, parents } = this.#root.get(name).snapshot;
    const shown = { directory, parents: [directory, ...parents], kind: 'view', labels } as const;
    return this.#root.backend.mounts({ ...shown, readOnly: true });
  }

  commit(key: string, options: CommitOptions): Promise<SnapshotInfo> {
    return this.#run(`Cannot commit snapshot "${key}"`, () => {
      checkOptions('commit', options, COMMIT_OPTIONS);
      return commitSnapshot(this.#root, key, options, (work) => this.#finishLater(work));
    });
  }

  find(key: string): Promise<SnapshotInfo | undefined> {
    return this.#run(`Cannot read snapshot "${key}"`, () => {
      const record = this.#root.store.read((transaction) => findRecord(transaction, key));
      return record && snapshotInfo(record);
    });
  }

  stat(key: string): Promise<SnapshotInfo> {
    return this.#run(`Cannot read snapshot "${key}"`, () =>
      snapshotInfo(this.#root.store.read((transaction) => getRecord(transaction, key))),
    );
  }

  update(key: string, patch: SnapshotPatch, options: UpdateOptions = {}): Promise<SnapshotInfo> {
    return this.#run(`Cannot update snapshot "${key}"`, async () => {
      checkOptions('update', options, UPDATE_OPTIONS);
      checkArgument('patch', patch, 'object');
      const { labels = {} } = patch;
      const { fieldpaths = [] } = options;
      return snapshotInfo(
        await this.#root.store.write((transaction) => updateRecord(transaction, key, labels, fieldpaths)),
      );
    });
  }

  usage(key: string, options: AbortableOptions = {}): Promise<SnapshotUsage> {
    return this.#run(`Cannot measure snapshot "${key}"`, () => {
      checkOptions('usage', options, ABORTABLE_OPTIONS);
      const { signal } = options;
      signal?.throwIfAborted();
      const { record, snapshot } = this.#root.get(key);
      if (record.kind === 'active') return this.#root.backend.usage(snapshot, { signal });
      const { bytes, inodes } = record.usage ?? { bytes: 0, inodes: 0 };
      const spare = contentsOf(this.#root.backend)?.measureSpare?.(snapshot.directory, record.kind) ?? 0;
      return { bytes: bytes + spare, inodes };
    });
  }

  async *walk(options: ListOptions = {}): AsyncGenerator<SnapshotInfo> {
    checkOptions('walk', options, LIST_OPTIONS);
    const { filters = [], signal } = options;
    const passes = await filterBy(filters);
    let batch: NamedRecord[] | undefined;
    do {
      signal?.throwIfAborted();
      const after = batch?.at(-1)?.name;
      batch = await this.#run('Cannot list the snapshots', () =>
        this.#root.store.read((transaction) => listRecords(transaction, after, WALK_BATCH)),
      );
      for (const record of batch) if (passes(snapshotFields(record))) yield snapshotInfo(record);
    } while (batch.length === WALK_BATCH);
  }

  async remove(key: string, options: AbortableOptions = {}): Promise<void> {
    checkOptions('remove', options, ABORTABLE_OPTIONS);
    const { signal } = options;
    await orAborted(() => this.#remove(key, signal), signal);
  }

  #remove(key: string, signal: AbortSignal | undefined): Promise<void> {
    return this.#run(`Cannot remove snapshot "${key}"`, async () => {
      // The lock keeps a cleanup from taking the directory for an orphan.
      const { id } = this.#root.store.read((transaction) => getRecord(transaction, key));
      const lock = this.#root.directories.lock(String(id));
      try {
        const removed = await this.#root.store.write((transaction) => {
          signal?.throwIfAborted();
          return removeRecord(transaction, key);
        });
        const dropShared = contentsOf(this.#root.backend)?.removing?.(
          this.#root.directories.pathOf(removed.id),
        );
        try {
          await this.#root.directories.remove(String(removed.id));
        } catch (error) {
          // The snapshot is gone, even if its directory is not. `cleanup` tries again, and reports the error.
          if (!OverlayerError.is(error)) throw error;
        } finally {
          const dropped = await dropShared?.();
          if (dropped !== undefined) this.#finishLater(dropped.freed);
        }
      } finally {
        if (lock !== undefined) this.#root.directories.unlock(lock);
      }
    });
  }

  /** `close` waits for it. `cleanup` does what could not be done. */
  #finishLater(work: Promise<void>): void {
    const running = work.catch(() => {}).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async withLock<T>(
    name: string,
    use: (closing: AbortSignal) => Promise<T>,
    options: AbortableOptions = {},
  ): Promise<T> {
    checkArgument('options', options, 'object');
    checkArgument('use', use, 'function');
    return await this.#locks.hold(name, use, options);
  }

  cleanup(options: AbortableOptions = {}): Promise<CleanupResult> {
    return this.#run('Cannot clean up', async () => {
      checkOptions('cleanup', options, ABORTABLE_OPTIONS);
      options.signal?.throwIfAborted();
      return await cleanUp(this.#root, options);
    });
  }

  check(options: CheckOptions = {}): Task<CheckReport, CheckProgress> {
    return new ProgressTask((tell) =>
      this.#run('Cannot check the snapshots', () => checkSnapshots(this.#root, options, tell)),
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await this.#locks.close();
    await Promise.allSettled(this.#running);
    this.#root.directories.close();
    await this.#root.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param failure begins the message of an error from the kernel */
  async #run<T>(failure: string, operation: () => T | Promise<T>): Promise<T> {
    // `close` waits for holders of locks, which may still call other methods.
    if (this.#closed && !this.#locks.held) throw closed();
    const running = (async () => await operation())();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw toOverlayerError(error, failure);
    } finally {
      this.#running.delete(running);
    }
  }
}
