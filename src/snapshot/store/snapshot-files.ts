import {
  chmodSync,
  closeSync,
  existsSync,
  fsync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { NamedRecord } from '../../metadata/snapshot-records.js';
import { syncDirectory } from '../../system/sync-directory.js';

/** The snapshot's own tree, for the backends of this package. */
export function treeOf(directory: string): string {
  return join(directory, 'fs');
}

/**
 * Makes the root directory of a snapshot's tree. Most images have no layer that lists the root. It therefore gets the
 * attributes of every directory that no entry lists, so that the same layers give the same tree.
 */
export function makeTree(path: string): void {
  mkdirSync(path);
  // The umask does not apply.
  chmodSync(path, 0o755);
  utimesSync(path, 0, 0);
}

/** The manifest of a committed snapshot's tree (`layer/manifest/`). */
export function manifestOf(directory: string): string {
  return join(directory, 'manifest');
}

export function hasManifest(directory: string): boolean {
  return existsSync(manifestOf(directory));
}

/** Names of the record file, and of the next one while it is written. */
export const RECORD_NAMES: readonly string[] = ['record', 'record.new'];

const VERSION = 1;

const sync = promisify(fsync);

/** A snapshot's record as it was when the snapshot was made or committed. The metadata can be rebuilt from it. */
export interface RecordFile
  extends Pick<NamedRecord, 'id' | 'name' | 'kind' | 'parent' | 'labels' | 'createdAt'> {
  readonly backend: string;
  /** The directory has a manifest, too. */
  readonly manifest: boolean;
}

/**
 * Writes or replaces `<snapshot's directory>/record`: a line of JSON, and a line with its checksum (CRC-32).
 *
 * The record of an active snapshot or a view is written before the directory gets its name, and is not synced by itself.
 * The record of a committed snapshot is on disk after its contents and before its metadata. Every committed snapshot in
 * the metadata can therefore be rebuilt. Only the metadata have labels that are changed later.
 */
export async function writeRecordFile(
  directory: string,
  record: Omit<RecordFile, 'manifest'>,
): Promise<void> {
  const lasting = record.kind === 'committed';
  await stageRecordFile(directory, record, { sync: lasting });
  if (lasting) await placeRecordFile(directory);
  else renameSync(staged(directory), join(directory, 'record'));
}

/**
 * Writes the new record file beside the current one. `placeRecordFile` then replaces the current one. Without `sync` the
 * caller flushes the file in between, together with the contents of the snapshot.
 */
export async function stageRecordFile(
  directory: string,
  record: Omit<RecordFile, 'manifest'>,
  { sync: isSynced }: { readonly sync: boolean },
): Promise<void> {
  const { id, name, kind, parent, labels, createdAt, backend } = record;
  const manifest = hasManifest(directory);
  const fields = { version: VERSION, id, name, kind, parent, labels, createdAt, backend, manifest };
  const json = JSON.stringify(fields);
  const file = openSync(staged(directory), 'w', 0o600);
  try {
    writeFileSync(file, `${json}\n${checksumOf(json)}\n`);
    if (isSynced) await sync(file);
  } catch (error) {
    rmSync(staged(directory), { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Renames the staged record file into place, and syncs its directory. */
export async function placeRecordFile(directory: string): Promise<void> {
  renameSync(staged(directory), join(directory, 'record'));
  await syncDirectory(directory);
}

function staged(directory: string): string {
  return join(directory, 'record.new');
}

/** @returns the record, or a sentence that says why it can't be read */
export async function readRecordFile(directory: string): Promise<RecordFile | string> {
  let text: string;
  try {
    text = await readFile(join(directory, 'record'), 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'it has no record file' : `its record file can't be read (${code})`;
  }
  const [json = '', checksum] = text.split('\n');
  if (checksum !== checksumOf(json)) return 'its record file is damaged';
  const record = JSON.parse(json) as RecordFile & { readonly version: number };
  if (record.version !== VERSION) return `its record file is of version ${record.version}, which is unknown`;
  return String(record.id) === basename(directory)
    ? record
    : `its record file is that of snapshot ${record.id}`;
}

function checksumOf(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
