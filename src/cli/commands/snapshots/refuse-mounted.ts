import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Mount, OverlayerError, type Snapshotter } from '../../../index.js';

/**
 * Protects the data of an active snapshot that this process sees mounted. The library removes it, as containerd does: its
 * callers know what they have mounted. A person may have forgotten.
 *
 * @throws OverlayerError `FailedPrecondition` that names the mount point
 */
export async function refuseMounted(snapshots: Snapshotter, key: string): Promise<void> {
  // A view has no data of its own, and a committed snapshot is mounted by views and children only.
  if ((await snapshots.stat(key)).kind !== 'active') return;
  const directories = (await snapshots.mounts(key)).flatMap((mount) => writtenDirectory(mount) ?? []);
  const mountPoint = directories.flatMap((directory) => mountPointOf(directory) ?? [])[0];
  if (mountPoint === undefined) return;
  throw new OverlayerError('FailedPrecondition', `Snapshot "${key}" is mounted on "${mountPoint}"`, {
    hint: `overlayer snapshots unmount ${mountPoint}; or --force, which deletes its data`,
  });
}

/** The directory that a mount writes to. */
function writtenDirectory({ type, source, options }: Mount): string | undefined {
  if (type !== 'overlay') return source;
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
