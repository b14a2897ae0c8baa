import type { FileHandle } from 'node:fs/promises';
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';

/** What a commit does with the record file of its snapshot, one after the other. */
export const RECORD_STEPS = [
  'opened',
  'half written',
  'written',
  'contents synced',
  'renamed',
  'synced',
] as const;

export type RecordStep = (typeof RECORD_STEPS)[number];

/** From here on `reached` is called in the midst of a commit, which waits for it. */
export function onRecordSteps(reached: (step: RecordStep) => void): void {
  const { open, rename } = files;
  /** That of a snapshot that has its lasting name: one that is being made is nobody's yet. */
  const isSnapshot = (directory: string) => /^\d+$/.test(basename(directory));
  const isRecord = (path: string) => isSnapshot(dirname(path)) && basename(path) === 'record.new';

  const staged = (handle: FileHandle): FileHandle => {
    const { writeFile, close } = handle;
    handle.writeFile = async (data, ...rest) => {
      const text = String(data);
      await writeFile.call(handle, text.slice(0, text.length / 2), ...rest);
      reached('half written');
      await writeFile.call(handle, text.slice(text.length / 2), ...rest);
    };
    handle.close = async () => {
      await close.call(handle);
      reached('written');
    };
    return handle;
  };
  const synced = (handle: FileHandle): FileHandle => {
    const { sync } = handle;
    handle.sync = async () => {
      await sync.call(handle);
      reached('synced');
    };
    return handle;
  };

  files.open = async (path, ...rest) => {
    const handle = await open(path, ...rest);
    if (isSnapshot(String(path))) return synced(handle);
    if (!isRecord(String(path))) return handle;
    reached('opened');
    return staged(handle);
  };
  files.rename = async (from, to) => {
    const ours = isRecord(String(from));
    if (ours) reached('contents synced');
    await rename(from, to);
    if (ours) reached('renamed');
  };
  syncBuiltinESMExports();
}
