import { diffSnapshot } from '../../../index.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { abortOnSignals } from '../../interruption.js';
import { type DiffFlags, diffAftermath, writeDiff } from '../write-diff.js';
import { withExistingSnapshots } from './with-snapshots.js';

/** Makes a layer of what a snapshot changes in its parent. @returns the exit code */
export async function diff(key: string, flags: RootFlags & DiffFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(
    flags,
    (snapshots) => writeDiff((options) => diffSnapshot(snapshots, key, options), flags, signal),
    (error) => diffAftermath(error, flags),
  );
}
