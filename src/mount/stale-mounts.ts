import { relative } from 'node:path';
import { type MountInfo, readMountInfo } from '../system/mountinfo.js';
import { hasProc } from '../system/own-proc.js';

/** A mount of a snapshot that does not exist any more, or one in the midst of the store. */
export interface StaleMount {
  readonly mountPoint: string;
  readonly detail: string;
}

/**
 * Looks through the mounts that this process sees: none without /proc.
 *
 * @param snapshots path of the directory of all snapshots, without symlinks
 * @param exists whether there is a snapshot with a directory of that name
 */
export function findStaleMounts(snapshots: string, exists: (directory: string) => boolean): StaleMount[] {
  const mounts = hasProc() ? readMountInfo() : [];
  const home = mountOf(mounts, snapshots);
  return mounts.flatMap((mount): StaleMount[] => {
    const { mountPoint } = mount;
    if (mountPoint.startsWith(`${snapshots}/`))
      return [{ mountPoint, detail: `${mount.type} is mounted inside the store` }];
    const gone = [...usedBy(mount, snapshots, home)].filter((name) => !exists(name));
    if (gone.length === 0) return [];
    return [{ mountPoint, detail: `uses what no snapshot has: ${gone.join(', ')}` }];
  });
}

/** The mount that a path is on. */
function mountOf(mounts: readonly MountInfo[], path: string): MountInfo | undefined {
  const above = mounts.filter(
    ({ mountPoint }) => mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`),
  );
  // The last of those with the longest path: what is mounted later covers what was there.
  return above.reduce<MountInfo | undefined>(
    (best, mount) => (best && best.mountPoint.length > mount.mountPoint.length ? best : mount),
    undefined,
  );
}

/** Names of the directories below `snapshots` that a mount shows. */
function usedBy(mount: MountInfo, snapshots: string, home: MountInfo | undefined): Set<string> {
  if (mount.type === 'overlay') return namesBelow(snapshots, mount.superOptions.replace(/\\(.)/g, '$1'));
  if (home === undefined || mount.device !== home.device) return new Set();
  const inFileSystem = `${home.root}/${relative(home.mountPoint, snapshots)}`.replace(/\/+/g, '/');
  return mount.root.startsWith(`${inFileSystem}/`) ? namesBelow(inFileSystem, mount.root) : new Set();
}

function namesBelow(directory: string, text: string): Set<string> {
  const names = new Set<string>();
  const prefix = `${directory}/`;
  for (let at = text.indexOf(prefix); at !== -1; at = text.indexOf(prefix, at + 1))
    names.add(/^[^/:,]*/.exec(text.slice(at + prefix.length))![0]);
  return names;
}
