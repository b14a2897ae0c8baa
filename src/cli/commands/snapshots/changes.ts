import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { displayPath, type Labels, type Mount, OverlayerError, type Snapshotter } from '../../../index.js';
import { abortOnSignals, describeFailure, forEachName } from '../../failure.js';
import type { LabelFlags, RemoveSnapshotFlags, StoreFlags } from '../../flags/store-flags.js';
import { counted } from '../../render/format.js';
import { printResult } from '../../render/print.js';
import { withExistingSnapshots, withSnapshots } from '../../with-root.js';

/**
 * Protects the data of an active snapshot that this process sees mounted. The library removes it, as containerd does: its
 * callers know what they have mounted. A person may have forgotten.
 *
 * @throws OverlayerError `FailedPrecondition` that names the mount point
 */
async function refuseMounted(snapshots: Snapshotter, key: string): Promise<void> {
  // A view has no data of its own, and a committed snapshot is mounted by views and children only.
  if ((await snapshots.stat(key)).kind !== 'active') return;
  const directories = (await snapshots.mounts(key)).flatMap((mount) => writtenDirectory(mount) ?? []);
  const mountPoint = directories.flatMap((directory) => mountPointOf(directory) ?? [])[0];
  if (mountPoint === undefined) return;
  throw new OverlayerError('FailedPrecondition', `Snapshot "${key}" is mounted on "${mountPoint}"`, {
    hint: `overlayer snapshots unmount ${mountPoint}; or --force, which deletes its data`,
  });
}

/** The directory that a mount writes to. Layers that are EROFS files are parts of an overlay, and are not written to. */
function writtenDirectory({ type, source, options }: Mount): string | undefined {
  if (type === 'bind') return source;
  return options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
}

function mountPointOf(directory: string): string | undefined {
  for (const line of mountInfo()) {
    // proc_pid_mountinfo(5): optional fields end in "-"; type, source and the file system's options follow.
    const fields = line.split(' ').map(unescapeField);
    const [, , , root = '', mountPoint = ''] = fields;
    const [type, , options = ''] = fields.slice(fields.indexOf('-', 6) + 1);
    const matches =
      type === 'overlay'
        ? options.replace(/\\(.)/g, '$1').split(',upperdir=')[1]?.startsWith(`${directory},`)
        : root.endsWith(join('/', basename(dirname(directory)), basename(directory))) &&
          isSame(mountPoint, directory);
    if (matches) return mountPoint;
  }
  return undefined;
}

function mountInfo(): readonly string[] {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter(Boolean);
  } catch {
    return []; // without /proc there is no way to know
  }
}

/** Space, tab, newline and backslash are written as a backslash and three octal digits. */
function unescapeField(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isSame(path: string, other: string): boolean {
  const [a, b] = [path, other].map((each) => statSync(each, { throwIfNoEntry: false }));
  return a !== undefined && a.dev === b?.dev && a.ino === b.ino;
}

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
