import { ABORTABLE_OPTIONS, type AbortableOptions, orAborted } from '../../base/abort.js';
import { checkOptions } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { ProgressTask, type Task } from '../../base/task.js';
import { filterBy, LIST_OPTIONS, type ListOptions } from '../../metadata/filter-by.js';
import { checkLabels, type Labels, UPDATE_OPTIONS, type UpdateOptions } from '../../metadata/labels.js';
import type { MetadataStore, ReadTransaction } from '../../metadata/metadata-store.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import {
  checkCommit,
  checkNameIsFree,
  checkParent,
  commitRecord,
  createRecord,
  findRecord,
  getAncestors,
  getRecord,
  listRecords,
  type NamedRecord,
  removeRecord,
  updateRecord,
} from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { BackendSnapshot, SnapshotBackend, Supplied } from '../backends/backend.js';
import type { BackendChoice } from '../backends/choose-backend.js';
import { checkSnapshots } from '../check/check.js';
import type { CheckOptions, CheckProgress, CheckReport } from '../check/check-report.js';
import { type CleanupResult, cleanUp } from '../check/leftovers.js';
import { takeSeal } from '../fill/seal.js';
import { SNAPSHOT_REF_LABEL } from '../labels.js';
import {
  COMMIT_OPTIONS,
  type CommitOptions,
  PREPARE_OPTIONS,
  type PrepareOptions,
  type SnapshotInfo,
  type SnapshotPatch,
  type Snapshotter,
} from '../snapshotter.js';
import { closed, NameLocks } from './name-locks.js';
import { SnapshotIds } from './root-metadata.js';
import { settleSnapshot } from './settle-snapshot.js';
import type { SnapshotDirectories } from './snapshot-directories.js';
import { hasKnownLayout, type RecordFile, writeRecordFile } from './snapshot-files.js';
import { checkSnapshotName, snapshotFields, snapshotInfo } from './snapshot-info.js';

type RecordedSnapshot = Omit<RecordFile, 'backend' | 'manifest'>;

/** Records that `walk` reads in one transaction. An open transaction holds space, so none stays open between events. */
const WALK_BATCH = 256;

/** The implementation of the contract: records in a metadata store, directories, and a backend for their layout. */
export class StoredSnapshotter implements Snapshotter {
  readonly backend: Snapshotter['backend'];
  readonly #backend: SnapshotBackend;
  readonly #store: MetadataStore;
  readonly #directories: SnapshotDirectories;
  readonly #ids: SnapshotIds;
  readonly #running = new Set<Promise<unknown>>();
  readonly #locks: NameLocks;
  #closed: Promise<void> | undefined;

  constructor({ backend, reason }: BackendChoice, store: MetadataStore, directories: SnapshotDirectories) {
    this.#backend = backend;
    this.backend = { name: backend.name, capabilities: backend.capabilities, reason };
    this.#store = store;
    this.#directories = directories;
    this.#ids = new SnapshotIds(store);
    this.#locks = new NameLocks(directories);
  }

  prepare(key: string, options: PrepareOptions = {}): Promise<readonly Mount[]> {
    return this.#run(`Cannot prepare snapshot "${key}"`, () => {
      checkOptions('prepare', options, PREPARE_OPTIONS);
      return this.#create('active', key, options);
    });
  }

  view(key: string, options: PrepareOptions = {}): Promise<readonly Mount[]> {
    return this.#run(`Cannot view snapshot "${key}"`, async () => {
      checkOptions('view', options, PREPARE_OPTIONS);
      try {
        return await this.#create('view', key, options);
      } catch (error) {
        const canShow = options.parent !== undefined && hasKnownLayout(this.#backend.name);
        if (!canShow || !OverlayerError.is(error) || error.errno !== 'EROFS') throw error;
        return this.#show(options.parent);
      }
    });
  }

  mounts(key: string): Promise<readonly Mount[]> {
    return this.#run(`Cannot tell the mounts of snapshot "${key}"`, () => {
      const { snapshot } = this.#get(key);
      if (snapshot.kind === 'committed')
        throw new OverlayerError('FailedPrecondition', `Snapshot "${key}" is committed and has no mounts`, {
          hint: 'make a view of it',
        });
      return this.#backend.mounts(snapshot);
    });
  }

  /** A view without a directory of its own, on a read-only file system. */
  #show(name: string): readonly Mount[] {
    const { directory, labels, parents } = this.#get(name).snapshot;
    const shown = { directory, parents: [directory, ...parents], kind: 'view', labels } as const;
    return this.#backend.mounts({ ...shown, readOnly: true });
  }

  commit(key: string, options: CommitOptions): Promise<SnapshotInfo> {
    return this.#run(`Cannot commit snapshot "${key}"`, async () => {
      checkOptions('commit', options, COMMIT_OPTIONS);
      const { name, parent, labels = {}, signal } = options;
      const { inheritsRoot, described } = takeSeal(options);
      signal?.throwIfAborted();
      checkSnapshotName(name);
      checkLabels(labels);
      // Every refusal comes before the work.
      const check = () =>
        this.#store.read((transaction) => {
          const record = checkCommit(transaction, key, { name, parent });
          const isLate = record.parent !== getRecord(transaction, key).parent;
          if (isLate) this.#checkCanRebase();
          return { record, snapshot: this.#describe(transaction, record), isLate };
        });
      const commit = async () => {
        // Another caller may have committed it during the wait.
        const { record, snapshot, isLate } = check();
        const committed = { ...record, name, kind: 'committed', labels, createdAt: Date.now() } as const;
        try {
          if (isLate && inheritsRoot) await this.#backend.inheritRoot?.(snapshot);
          if (isLate && inheritsRoot === undefined && SNAPSHOT_REF_LABEL in record.labels)
            await this.#backend.inheritUnlisted?.(snapshot);
          const usage = await settleSnapshot(this.#backend, snapshot, committed, { described, signal });
          return await this.#store.write((transaction) =>
            commitRecord(transaction, key, { name, parent, labels, usage }),
          );
        } catch (error) {
          await this.#restoreRecordFile(snapshot.directory, record.id);
          throw error;
        }
      };
      return snapshotInfo(await this.#directories.hold(check().record.id, commit, { signal }));
    });
  }

  find(key: string): Promise<SnapshotInfo | undefined> {
    return this.#run(`Cannot read snapshot "${key}"`, () => {
      const record = this.#store.read((transaction) => findRecord(transaction, key));
      return record && snapshotInfo(record);
    });
  }

  stat(key: string): Promise<SnapshotInfo> {
    return this.#run(`Cannot read snapshot "${key}"`, () =>
      snapshotInfo(this.#store.read((transaction) => getRecord(transaction, key))),
    );
  }

  update(key: string, { labels = {} }: SnapshotPatch, options: UpdateOptions = {}): Promise<SnapshotInfo> {
    return this.#run(`Cannot update snapshot "${key}"`, async () => {
      checkOptions('update', options, UPDATE_OPTIONS);
      const { fieldpaths = [] } = options;
      return snapshotInfo(
        await this.#store.write((transaction) => updateRecord(transaction, key, labels, fieldpaths)),
      );
    });
  }

  usage(key: string, options: AbortableOptions = {}): Promise<SnapshotUsage> {
    return this.#run(`Cannot measure snapshot "${key}"`, () => {
      checkOptions('usage', options, ABORTABLE_OPTIONS);
      const { signal } = options;
      signal?.throwIfAborted();
      const { record, snapshot } = this.#get(key);
      return record.kind === 'active'
        ? this.#backend.usage(snapshot, { signal })
        : (record.usage ?? { bytes: 0, inodes: 0 });
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
        this.#store.read((transaction) => listRecords(transaction, after, WALK_BATCH)),
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
      const { id } = this.#store.read((transaction) => getRecord(transaction, key));
      const lock = this.#directories.lock(String(id));
      try {
        const removed = await this.#store.write((transaction) => {
          signal?.throwIfAborted();
          return removeRecord(transaction, key);
        });
        await this.#directories.remove(String(removed.id)).catch((error: unknown) => {
          // The snapshot is gone, even if its directory is not. `cleanup` tries again, and reports the error.
          if (!OverlayerError.is(error)) throw error;
        });
      } finally {
        if (lock !== undefined) this.#directories.unlock(lock);
      }
    });
  }

  withLock<T>(name: string, use: () => Promise<T>, options: AbortableOptions = {}): Promise<T> {
    return this.#locks.hold(name, use, options);
  }

  cleanup(options: AbortableOptions = {}): Promise<CleanupResult> {
    return this.#run('Cannot clean up', async () => {
      checkOptions('cleanup', options, ABORTABLE_OPTIONS);
      options.signal?.throwIfAborted();
      return await cleanUp({ store: this.#store, directories: this.#directories }, options);
    });
  }

  check(options: CheckOptions = {}): Task<CheckReport, CheckProgress> {
    const context = { store: this.#store, directories: this.#directories, backend: this.#backend };
    return new ProgressTask((tell) =>
      this.#run('Cannot check the snapshots', () => checkSnapshots(context, options, tell)),
    );
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async #end(): Promise<void> {
    await this.#locks.close();
    await Promise.allSettled(this.#running);
    this.#directories.close();
    await this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #create(
    kind: 'active' | 'view',
    key: string,
    { parent, labels = {}, signal }: PrepareOptions,
  ): Promise<readonly Mount[]> {
    signal?.throwIfAborted();
    checkSnapshotName(key);
    checkLabels(labels);
    const ancestors = this.#store.read((transaction) => {
      checkNameIsFree(transaction, key);
      if (kind === 'active') checkWanted(transaction, labels);
      checkParent(transaction, parent, 'InvalidArgument');
      return this.#ancestors(transaction, parent);
    });
    const id = await this.#ids.next();
    const staged = this.#directories.stage();
    const snapshot = { kind, parents: ancestors, labels, readOnly: kind === 'view' };
    let supplied: Supplied | undefined;
    try {
      supplied = await this.#backend.create({ ...snapshot, directory: staged.path }, { signal });
      signal?.throwIfAborted();
      await this.#writeRecordFile(staged.path, {
        ...{ name: key, id, kind, parent, labels },
        createdAt: Date.now(),
      });
      await staged.publish(id);
      await this.#record({ ...snapshot, directory: staged.path }, supplied, { name: key, id, kind, parent });
    } catch (error) {
      // `cleanup` removes what can't be removed now: the first error says more.
      await staged.discard().catch(() => {});
      throw error;
    } finally {
      staged.release();
    }
    if (supplied === 'committed') throw alreadyThere(labels[SNAPSHOT_REF_LABEL]!);
    const readOnly = snapshot.readOnly || supplied !== undefined;
    return this.#backend.mounts({ ...snapshot, directory: staged.path, readOnly });
  }

  async #record(
    snapshot: BackendSnapshot,
    supplied: Supplied | undefined,
    created: Pick<NamedRecord, 'name' | 'id' | 'kind' | 'parent'>,
  ): Promise<void> {
    const { labels } = snapshot;
    const record = { ...created, labels, staged: supplied !== undefined };
    if (supplied !== 'committed') {
      await this.#store.write((transaction) => createRecord(transaction, record));
      return;
    }
    const name = labels[SNAPSHOT_REF_LABEL];
    if (name === undefined)
      throw new OverlayerError(
        'Internal',
        `Backend "${this.#backend.name}" supplies a layer without the label "${SNAPSHOT_REF_LABEL}"`,
      );
    checkSnapshotName(name);
    const committed = { ...record, name, kind: 'committed', createdAt: Date.now() } as const;
    const usage = await settleSnapshot(this.#backend, snapshot, committed);
    await this.#store.write((transaction) => {
      createRecord(transaction, record);
      commitRecord(transaction, record.name, { name, parent: undefined, labels, usage });
    });
  }

  /** Writes the record that is in the metadata, after a failed commit. */
  async #restoreRecordFile(directory: string, id: number): Promise<void> {
    const now = this.#store.read((transaction) =>
      listRecords(transaction).find((record) => record.id === id),
    );
    if (now !== undefined) await this.#writeRecordFile(directory, now).catch(() => {}); // `check` finds it
  }

  #writeRecordFile(directory: string, record: RecordedSnapshot): Promise<void> {
    return writeRecordFile(directory, { ...record, backend: this.#backend.name });
  }

  /** @throws OverlayerError `NotFound` */
  #get(key: string): { readonly record: NamedRecord; readonly snapshot: BackendSnapshot } {
    return this.#store.read((transaction) => {
      const record = getRecord(transaction, key);
      return { record, snapshot: this.#describe(transaction, record) };
    });
  }

  #describe(transaction: ReadTransaction, record: NamedRecord): BackendSnapshot {
    const { id, kind, parent, labels, staged } = record;
    return {
      directory: this.#directories.pathOf(id),
      parents: this.#ancestors(transaction, parent),
      kind,
      labels,
      readOnly: kind === 'view' || staged,
    };
  }

  #ancestors(transaction: ReadTransaction, parent: string | undefined): string[] {
    return getAncestors(transaction, { parent }).map(({ id }) => this.#directories.pathOf(id));
  }

  #checkCanRebase(): void {
    if (this.#backend.capabilities.includes('rebase')) return;
    throw new OverlayerError(
      'Unimplemented',
      `Backend "${this.#backend.name}" can't give a snapshot its parent when it is committed`,
      { hint: 'give the parent to prepare' },
    );
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

/** Refuses to unpack a layer that is committed (`snapshotter.ts`, "Layers that need not be unpacked"). */
function checkWanted(transaction: ReadTransaction, labels: Labels): void {
  const wanted = labels[SNAPSHOT_REF_LABEL];
  if (wanted !== undefined && findRecord(transaction, wanted)?.kind === 'committed')
    throw alreadyThere(wanted);
}

function alreadyThere(name: string): OverlayerError {
  return new OverlayerError('AlreadyExists', `The layer of snapshot "${name}" is already there`);
}
