import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { decodePath } from '../base/path-bytes.js';
import { type MountInfo, readMountInfo } from '../system/mountinfo.js';
import { hasProc } from '../system/own-proc.js';
import { KEPT_MOUNTS, SHARED_MOUNTS } from './kept-mounts.js';

/** A mount of a snapshot that no longer exists, or a mount inside the store. */
interface StaleMount {
  readonly mountPoint: string;
  readonly detail: string;
}

/**
 * Looks for stale mounts in this process's mount namespace. It finds none without /proc.
 *
 * @param snapshots path of the directory of all snapshots, without symlinks
 * @param exists whether a snapshot has the directory of that name
 */
export function findStaleMounts(snapshots: string, exists: (directory: string) => boolean): StaleMount[] {
  const mounts = hasProc() ? readMountInfo() : [];
  const home = mountOf(mounts, snapshots);
  return mounts.flatMap((mount): StaleMount[] => {
    const { mountPoint } = mount;
    // `KeptMounts.unused` finds those that nothing uses: several snapshots may share one.
    const keeping = [KEPT_MOUNTS, SHARED_MOUNTS].map((name) => `${join(dirname(snapshots), name)}/`);
    if (keeping.some((directory) => mountPoint.startsWith(directory))) return [];
    if (mountPoint.startsWith(`${snapshots}/`))
      return [{ mountPoint, detail: `${mount.type} is mounted inside the store` }];
    const gone = [...usedBy(mount, snapshots, home)].filter((name) => !exists(name));
    if (gone.length === 0) return [];
    return [{ mountPoint, detail: `uses directories of no snapshot: ${gone.join(', ')}` }];
  });
}

/**
 * Whether the topmost mount on a directory shows snapshots. Always false without /proc.
 *
 * @param snapshots path of the directory of all snapshots, without symlinks
 * @param directory a path without symlinks
 */
export function showsSnapshots(snapshots: string, directory: string): boolean {
  const mounts = hasProc() ? readMountInfo() : [];
  const shown = mounts.findLast(({ mountPoint }) => mountPoint === directory);
  return shown !== undefined && usedBy(shown, snapshots, mountOf(mounts, snapshots)).size > 0;
}

/** The mount that has a path. */
function mountOf(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  const above = mounts.filter(
    ({ mountPoint }) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`),
  );
  // The last one with the longest path: later mounts cover earlier ones.
  return above.reduce<MountInfo | undefined>(
    (best, mount) => (best && best.mountPoint.length > mount.mountPoint.length ? best : mount),
    undefined,
  );
}

/**
 * Names of directories below `snapshots` that a mount shows. For an overlay on EROFS files these are the upperdir's and
 * that of the nearest file (`mountOnto`): a snapshot below is removed after those above it.
 */
function usedBy(mount: MountInfo, snapshots: string, home: MountInfo | undefined): Set<string> {
  const { type, source } = mount;
  if (type === 'overlay')
    return namesBelow(snapshots, `${source},${mount.superOptions.replace(/\\(.)/g, '$1')}`);
  if (type === 'erofs') return namesBelow(snapshots, backingFile(source));
  if (home === undefined || mount.device !== home.device) return new Set();
  const inFileSystem = `${home.root}/${relative(home.mountPoint, snapshots)}`.replace(/\/+/g, '/');
  return mount.root.startsWith(`${inFileSystem}/`) ? namesBelow(inFileSystem, mount.root) : new Set();
}

/** The file of a loop device; any other path as it is. */
function backingFile(source: string): string {
  const [, loop] = /^\/dev\/(loop\d+)$/.exec(source) ?? [];
  if (loop === undefined) return source;
  try {
    return decodePath(readFileSync(`/sys/block/${loop}/loop/backing_file`));
  } catch {
    return source; // without /sys
  }
}

/** The names below a directory that a text has as parts of paths. */
export function namesBelow(directory: string, text: string): Set<string> {
  const names = new Set<string>();
  const prefix = `${directory}/`;
  for (let at = text.indexOf(prefix); at !== -1; at = text.indexOf(prefix, at + 1))
    names.add(/^[^/:,]*/.exec(text.slice(at + prefix.length))![0]);
  return names;
}
