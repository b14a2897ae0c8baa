import { decodePath } from '../base/path-bytes.js';
import { procMissing, readOwnProc } from './own-proc.js';

/** A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface MountInfo {
  readonly id: number;
  /** The mount that it is mounted on. */
  readonly parent: number;
  /** `major:minor` of the file system. */
  readonly device: string;
  /** The mounted directory of the file system: `/`, or another one for a bind mount. */
  readonly root: string;
  readonly mountPoint: string;
  /** Options of this mount: `rw`, `nosuid` … */
  readonly options: readonly string[];
  readonly type: string;
  readonly source: string;
  /** Options of the file system, separated by commas. */
  readonly superOptions: string;
}

/** The mounts of this process's mount namespace, in no defined order. @throws OverlayerError `FailedPrecondition` without /proc */
export function readMountInfo(): MountInfo[] {
  const text = readOwnProc('mountinfo');
  if (text === undefined) throw procMissing('Cannot tell what is mounted');
  return parseMountInfo(Buffer.from(text, 'latin1'));
}

/** The topmost mount on a path. */
export function topMount(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  const stacked = mounts.filter(({ mountPoint }) => mountPoint === path);
  const covered = new Set(stacked.map(({ parent }) => parent));
  return stacked.find(({ id }) => !covered.has(id));
}

/** All mounts below a mount, in an order in which they can be unmounted. */
export function mountsOn(mounts: readonly MountInfo[], top: MountInfo): MountInfo[] {
  const children = new Map<number, MountInfo[]>();
  for (const mount of mounts) {
    if (mount.id === mount.parent) continue;
    const siblings = children.get(mount.parent);
    if (siblings === undefined) children.set(mount.parent, [mount]);
    else siblings.push(mount);
  }
  const found = [top];
  for (const { id } of found) for (const child of children.get(id) ?? []) found.push(child);
  return found.slice(1).reverse();
}

export function parseMountInfo(bytes: Buffer): MountInfo[] {
  // Paths are bytes; latin1 keeps each as a character until the escapes are undone.
  return bytes.toString('latin1').split('\n').filter(Boolean).map(parseLine);
}

function parseLine(line: string): MountInfo {
  const fields = line.split(' ');
  // Optional fields, as many as there may be, end in a "-".
  const [type, source, superOptions] = fields.slice(fields.indexOf('-', 6) + 1).map(unescapeField);
  const [id, parent, device, root, mountPoint, options] = fields.map(unescapeField);
  return {
    id: Number(id),
    parent: Number(parent),
    device: device!,
    root: root!,
    mountPoint: mountPoint!,
    options: options!.split(','),
    type: type!,
    source: source!,
    superOptions: superOptions ?? '',
  };
}

/** Space, tab, newline and backslash are written as a backslash and three octal digits. */
function unescapeField(field: string): string {
  const text = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return decodePath(Buffer.from(text, 'latin1'));
}
