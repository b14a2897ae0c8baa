import { existsSync, realpathSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { openLmdbStore } from '../../metadata/lmdb-store.js';
import { type NamedRecord, restoreRecords } from '../../metadata/snapshot-records.js';
import { lockDirectory } from '../../rootfs/lock-directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { AT_FDCWD } from '../../system/system.js';
import { contentsOf } from '../contents/known-contents.js';
import type { SnapshotInfo } from '../snapshotter.js';
import { describeRoot } from '../store/format-version.js';
import { metadataDamage } from '../store/root-metadata.js';
import { SnapshotDirectories } from '../store/snapshot-directories.js';
import { type RecordFile, readRecordFile } from '../store/snapshot-files.js';
import { snapshotInfo } from '../store/snapshot-info.js';
import { treeThreads } from '../trees/tree-threads.js';

/** The snapshots that are back in the metadata, and the directories that are not. */
export interface RebuildResult {
  readonly recovered: readonly SnapshotInfo[];
  /** Directories that are no snapshots any more, and why. `check` with `prune`, or `cleanup`, frees them. */
  readonly lost: readonly { readonly directory: string; readonly reason: string }[];
  /** Path of the damaged metadata, which are kept. Undefined when there were none. */
  readonly kept: string | undefined;
}

interface Candidate {
  readonly directory: string;
  readonly file: RecordFile;
}

/** See `rebuildMetadata`. */
export async function rebuildRoot(path: string): Promise<RebuildResult> {
  const system = openLinuxSystem();
  const root = openRoot(path);
  const lock = lockDirectory(system, AT_FDCWD, root);
  if (typeof lock === 'string')
    throw new OverlayerError('Unavailable', `Another process is rebuilding the metadata of "${root}"`);
  try {
    const damage = await metadataDamage(root);
    if (damage === undefined)
      throw new OverlayerError('FailedPrecondition', `The metadata of "${root}" are sound`, {
        hint: 'there is nothing to rebuild',
      });
    const directories = new SnapshotDirectories(system, join(root, 'snapshots'));
    try {
      return await rebuild(root, directories);
    } finally {
      directories.close();
    }
  } catch (error) {
    throw toOverlayerError(error, `Cannot rebuild the metadata of "${root}"`);
  } finally {
    system.close(lock);
  }
}

function openRoot(path: string): string {
  if (existsSync(join(path, 'snapshots'))) return realpathSync(path);
  throw new OverlayerError('NotFound', `There are no snapshots in "${path}"`);
}

async function rebuild(root: string, directories: SnapshotDirectories): Promise<RebuildResult> {
  const names = directories.list().filter(({ kind }) => kind !== 'foreign');
  const lost: { directory: string; reason: string }[] = [];
  const found: Candidate[] = [];
  for (const { name } of names.filter(({ kind }) => kind === 'snapshot')) {
    const directory = join(directories.path, name);
    const file = await readRecordFile(directory);
    const reason =
      typeof file === 'string' ? file : contentsOf({ name: file.backend })?.missing(directory, file.kind);
    if (reason !== undefined) lost.push({ directory, reason });
    else if (typeof file !== 'string') found.push({ directory, file });
  }
  const { whole, rejected } = choose(found);
  const records = await Promise.all(whole.map(toRecord));
  // An id is never used twice, so ids of directories that are being removed count too.
  const lastId = Math.max(
    0,
    ...names.map(({ name }) => Number(/\d+/.exec(name)?.[0] ?? 0)).filter(Number.isSafeInteger),
  );
  const kept = await replaceMetadata(root, records, lastId + 1, whole[0]?.file.backend);
  return { recovered: records.map(snapshotInfo), lost: [...lost, ...rejected], kept };
}

/** Takes the latest directory for each name, and no snapshot without its parent. Parents come before children. */
function choose(found: readonly Candidate[]): {
  readonly whole: readonly Candidate[];
  readonly rejected: RebuildResult['lost'];
} {
  const rejected: { directory: string; reason: string }[] = [];
  const byName = new Map<string, Candidate>();
  for (const candidate of [...found].sort((a, b) => b.file.id - a.file.id)) {
    const { name } = candidate.file;
    const other = byName.get(name);
    if (other === undefined) byName.set(name, candidate);
    else
      rejected.push({
        directory: candidate.directory,
        reason: `a later directory, ${other.file.id}, is snapshot "${name}"`,
      });
  }
  const whole = new Map<string, Candidate>();
  let left = [...byName.values()].sort((a, b) => a.file.id - b.file.id);
  for (;;) {
    const ready = left.filter(({ file: { parent } }) => {
      const on = parent === undefined ? undefined : whole.get(parent);
      return parent === undefined || on?.file.kind === 'committed';
    });
    if (ready.length === 0) break;
    for (const candidate of ready) whole.set(candidate.file.name, candidate);
    left = left.filter((candidate) => !ready.includes(candidate));
  }
  for (const { directory, file } of left)
    rejected.push({ directory, reason: `snapshot "${file.name}" has lost its parent "${file.parent}"` });
  return { whole: [...whole.values()], rejected };
}

async function toRecord({ directory, file }: Candidate): Promise<NamedRecord> {
  const { id, name, kind, parent, labels, createdAt } = file;
  const measure = () =>
    contentsOf({ name: file.backend })?.measure(directory) ?? treeThreads.run({ type: 'measure', directory });
  const usage = kind === 'committed' ? await measure() : undefined;
  return { id, name, kind, parent, labels, createdAt, updatedAt: createdAt, usage, staged: false };
}

/** Renames the new metadata into place once they are complete. @returns the path of the old ones */
async function replaceMetadata(
  root: string,
  records: readonly NamedRecord[],
  nextId: number,
  backend: string | undefined,
): Promise<string | undefined> {
  const [path, fresh] = [join(root, 'metadata.db'), join(root, 'metadata.db.rebuilt')];
  await removeStore(fresh);
  const store = openLmdbStore(fresh);
  try {
    await store.write((transaction) => {
      restoreRecords(transaction, records, nextId);
      if (backend !== undefined) describeRoot(transaction, backend);
    });
  } finally {
    await store.close();
  }
  const kept = existsSync(path) ? `${path}.damaged-${Date.now()}` : undefined;
  if (kept !== undefined) await rename(path, kept);
  await rename(fresh, path);
  await rm(`${fresh}-lock`, { force: true });
  await rm(`${path}-lock`, { force: true });
  await syncDirectory(root);
  return kept;
}

async function removeStore(path: string): Promise<void> {
  for (const file of [path, `${path}-lock`]) await rm(file, { force: true });
}
