import { OverlayerError } from '../../base/errors.js';
import { checkLabels, type Labels } from '../../metadata/labels.js';
import type { ReadTransaction } from '../../metadata/metadata-store.js';
import {
  checkNameIsFree,
  checkParent,
  commitRecord,
  createRecord,
  findRecord,
  type NamedRecord,
} from '../../metadata/snapshot-records.js';
import type { Mount } from '../../mount/mount.js';
import type { BackendSnapshot, Supplied } from '../backends/backend.js';
import { SNAPSHOT_REF_LABEL } from '../labels.js';
import type { ViewOptions } from '../snapshotter.js';
import type { SnapshotIds } from './root-metadata.js';
import { settleSnapshot } from './settle-snapshot.js';
import { checkSnapshotName } from './snapshot-info.js';
import type { SnapshotRoot } from './snapshot-root.js';

/** See `Snapshotter.prepare` and `view`. */
export async function createSnapshot(
  root: SnapshotRoot,
  ids: SnapshotIds,
  { kind, key }: { readonly kind: 'active' | 'view'; readonly key: string },
  { parent, labels = {}, merged, signal }: ViewOptions,
): Promise<readonly Mount[]> {
  signal?.throwIfAborted();
  checkSnapshotName(key);
  checkLabels(labels);
  const ancestors = root.store.read((transaction) => {
    checkNameIsFree(transaction, key);
    if (kind === 'active') checkWanted(transaction, labels);
    checkParent(transaction, parent, 'InvalidArgument');
    return root.ancestors(transaction, parent);
  });
  const id = await ids.next();
  const staged = root.directories.stage();
  const snapshot = { kind, parents: ancestors, labels, readOnly: kind === 'view' };
  let supplied: Supplied | undefined;
  try {
    supplied = await root.backend.create({ ...snapshot, directory: staged.path }, { merged, signal });
    signal?.throwIfAborted();
    const created = { name: key, id, kind, parent };
    await root.writeRecordFile(staged.path, { ...created, labels, createdAt: Date.now() });
    await staged.publish(id);
    await recordSnapshot(root, { ...snapshot, directory: staged.path }, supplied, created);
  } catch (error) {
    // `cleanup` removes what can't be removed now: the first error says more.
    await staged.discard().catch(() => {});
    throw error;
  } finally {
    staged.release();
  }
  if (supplied === 'committed') throw alreadyThere(labels[SNAPSHOT_REF_LABEL]!);
  const readOnly = snapshot.readOnly || supplied !== undefined;
  return root.backend.mounts({ ...snapshot, directory: staged.path, readOnly });
}

async function recordSnapshot(
  { store, backend }: SnapshotRoot,
  snapshot: BackendSnapshot,
  supplied: Supplied | undefined,
  created: Pick<NamedRecord, 'name' | 'id' | 'kind' | 'parent'>,
): Promise<void> {
  const { labels } = snapshot;
  const record = { ...created, labels, staged: supplied !== undefined };
  if (supplied !== 'committed') {
    await store.write((transaction) => createRecord(transaction, record));
    return;
  }
  const name = labels[SNAPSHOT_REF_LABEL];
  if (name === undefined)
    throw new OverlayerError(
      'Internal',
      `Backend "${backend.name}" supplies a layer without the label "${SNAPSHOT_REF_LABEL}"`,
    );
  checkSnapshotName(name);
  const committed = { ...record, name, kind: 'committed', createdAt: Date.now() } as const;
  const usage = await settleSnapshot(backend, snapshot, committed);
  await store.write((transaction) => {
    createRecord(transaction, record);
    commitRecord(transaction, record.name, { name, parent: undefined, labels, usage });
  });
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
