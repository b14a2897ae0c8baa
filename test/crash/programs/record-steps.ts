import files from 'node:fs';
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
  const { openSync, writeFileSync, closeSync, renameSync } = files;
  /** That of a snapshot that has its lasting name: one that is being made is nobody's yet. */
  const isSnapshot = (directory: string) => /^\d+$/.test(basename(directory));
  const isRecord = (path: string) => isSnapshot(dirname(path)) && basename(path) === 'record.new';
  let record: number | undefined;
  let directory: number | undefined;
  let isRenamed = false;

  files.openSync = (path, ...rest) => {
    const opened = openSync(path, ...rest);
    // A backend may sync the directory before the rename as well.
    if (isRenamed && isSnapshot(String(path))) directory = opened;
    if (isRecord(String(path))) {
      record = opened;
      reached('opened');
    }
    return opened;
  };
  files.writeFileSync = (file, data, ...rest) => {
    if (file !== record) return writeFileSync(file, data, ...rest);
    const text = String(data);
    writeFileSync(file, text.slice(0, text.length / 2), ...rest);
    reached('half written');
    writeFileSync(file, text.slice(text.length / 2), ...rest);
  };
  files.closeSync = (file) => {
    closeSync(file);
    if (file === record) {
      record = undefined;
      reached('written');
    }
    if (file === directory) {
      directory = undefined;
      reached('synced');
    }
  };
  files.renameSync = (from, to) => {
    const ours = isRecord(String(from));
    if (ours) reached('contents synced');
    renameSync(from, to);
    if (!ours) return;
    isRenamed = true;
    reached('renamed');
  };
  syncBuiltinESMExports();
}
