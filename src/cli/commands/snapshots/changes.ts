import { displayPath, type Labels, OverlayerError } from '../../../index.js';
import { abortOnSignals, describeFailure, forEachName } from '../../failure.js';
import type { LabelFlags, RemoveSnapshotFlags, StoreFlags } from '../../flags/store-flags.js';
import { counted } from '../../render/format.js';
import { printResult } from '../../render/print.js';
import { withExistingSnapshots, withSnapshots } from '../../with-root.js';
import { refuseMounted } from './refuse-mounted.js';

export async function prepare(key: string, parent: string | undefined, flags: LabelFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withSnapshots(flags, async (snapshots) => {
    const mounts = await snapshots.prepare(key, { parent, labels: flags.label, signal });
    printResult(flags, mounts, `Prepared ${displayPath(key)}\n`);
  });
}

export async function view(key: string, parent: string | undefined, flags: LabelFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withSnapshots(flags, async (snapshots) => {
    const mounts = await snapshots.view(key, { parent, labels: flags.label, signal });
    printResult(flags, mounts, `Made the view ${displayPath(key)}\n`);
  });
}

export async function commit(name: string, key: string, flags: LabelFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(flags, async (snapshots) => {
    const committed = await snapshots.commit(key, { name, labels: flags.label, signal });
    printResult(flags, committed, `Committed ${displayPath(key)} as ${displayPath(name)}\n`);
  });
}

export async function label(key: string, labels: Labels, flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    const updated = await snapshots.update(key, { labels }, { fieldpaths: paths });
    printResult(flags, updated, `Labelled ${displayPath(key)}\n`);
  });
}

export async function rm(keys: readonly string[], flags: RemoveSnapshotFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(flags, async (snapshots) => {
    const { done: removed, code } = await forEachName(keys, flags, async (key) => {
      if (!flags.force) await refuseMounted(snapshots, key);
      await snapshots.remove(key, { signal });
      return key;
    });
    printResult(flags, { removed }, removed.map((key) => `Removed ${displayPath(key)}\n`).join(''));
    return code;
  });
}

export async function cleanup(flags: StoreFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(flags, async (snapshots) => {
    const { removed, failed } = await snapshots.cleanup({ signal });
    const failures = failed.map(({ directory, error }) => ({ directory, ...describeFailure(error) }));
    const freed = counted(removed.length, 'directory', 'directories');
    printResult(flags, { removed, failed: failures }, `Deleted ${freed}\n`);
    const [first] = failed;
    if (first === undefined) return;
    throw OverlayerError.is(first.error)
      ? first.error
      : new OverlayerError('Internal', `Cannot delete "${first.directory}"`, { cause: first.error });
  });
}
