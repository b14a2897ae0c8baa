import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { OPEN_DIRECTORY, withChild } from '../rootfs/directory.js';
import { OVERLAY_PREFIXES } from '../rootfs/lower-layers.js';
import { openLinuxSystem } from '../system/linux.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, DT, isErrno, S } from '../system/system.js';
import type { Mount } from './mount.js';
import { escapeLayer, takesLayersOneByOne } from './overlay-mount.js';
import type { OverlaySupport } from './overlay-support.js';

/** Mounts on a directory. @returns a path at which that can be seen */
export type TryMount = (mount: Mount, target: string) => Promise<string>;

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';
/** As errors of Node (`code`) and of ours (`errno`) have it. */
const PASSING = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EDQUOT'];
/** Has to be there: it shows whether the names in a directory come with their types. */
export const LISTED_DIRECTORY = 'directory';

/** Finds out what overlayfs can do in a directory, in which there is a `LISTED_DIRECTORY`: by mounting, and looking. */
export async function tryOverlay(
  system: MountSystem,
  scratch: string,
  mount: TryMount,
): Promise<OverlaySupport> {
  let count = 0;
  const mountOverlay = (options: readonly string[]) =>
    mountLayers(mount, join(scratch, String(count++)), options);
  const impossible = lackOf(scratch);
  const trusted = impossible ?? (await failureOf(mountOverlay([])));
  const reason = impossible ?? (trusted && (await failureOf(mountOverlay(['userxattr']))));
  const supported = reason === undefined;
  const userxattr = supported && trusted !== undefined;
  return {
    supported,
    reason,
    userxattr,
    indexOff: existsSync(INDEX_PARAMETER),
    whiteoutDevices: mayMakeWhiteouts(scratch),
    lowerdirAppend: supported && takesLayersOneByOne(system),
    idmapped: supported && (await mapsOwners(mountOverlay, userxattr ? ['userxattr'] : [])),
  };
}

/** Of a mount on which a directory of a layer can't be replaced, which takes an attribute to say so. @returns why not */
async function failureOf(mounted: Promise<string>): Promise<string | undefined> {
  try {
    const directory = join(await mounted, 'directory');
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    if (readdirSync(directory).length > 0) throw new Error('overlayfs does not hide what is replaced');
    return undefined;
  } catch (error) {
    if (saysNothing(error)) throw error;
    return OverlayerError.is(error)
      ? describe(error)
      : `overlayfs does not work there: ${(error as Error).message}`;
  }
}

/** What a process, or the disk, has too little of now says nothing of what overlayfs can do. */
function saysNothing(error: unknown): boolean {
  const { code, errno } = error as { readonly code?: string; readonly errno?: string | number };
  return PASSING.some((each) => each === code || each === errno);
}

async function mapsOwners(
  mountOverlay: (options: readonly string[]) => Promise<string>,
  options: readonly string[],
): Promise<boolean> {
  const [uid, gid] = [process.geteuid!(), process.getegid!()];
  const maps = [`uidmap=${uid}:${uid + 1}:1`, `gidmap=${gid}:${gid + 1}:1`];
  try {
    const file = statSync(join(await mountOverlay([...options, ...maps]), 'directory', 'file'));
    return file.uid === uid + 1 && file.gid === gid + 1;
  } catch {
    return false;
  }
}

/** A file in a lower layer, seen through an overlay. */
async function mountLayers(mount: TryMount, base: string, options: readonly string[]): Promise<string> {
  const at = (name: string) => join(base, name);
  for (const path of [join(at('lower'), 'directory'), at('upper'), at('work'), at('merged')])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(at('lower'), 'directory', 'file'), '');
  const directories = ['lower', 'upper', 'work'].map((name) => `${name}dir=${escapeLayer(at(name))}`);
  const overlay = { type: 'overlay', source: 'overlay', options: [...directories, ...options] };
  return await mount(overlay, at('merged'));
}

function mayMakeWhiteouts(scratch: string): boolean {
  try {
    openLinuxSystem().makeNode(AT_FDCWD, join(scratch, 'whiteout'), S.IFCHR, 0, 0);
    return true;
  } catch {
    return false;
  }
}

/** What overlayfs needs of a file system. @returns what is wrong */
function lackOf(scratch: string): string | undefined {
  const system = openLinuxSystem();
  return withChild(system, AT_FDCWD, scratch, OPEN_DIRECTORY, (directory) => {
    // It tells whiteouts from files by the types that a directory lists.
    if (system.list(directory).some(({ type }) => type === DT.UNKNOWN))
      return 'its file system does not list the types of files (d_type), which overlayfs needs: xfs is to be made with ftype=1, ext4 with the feature filetype';
    const takesMarks = OVERLAY_PREFIXES.some((prefix) => takesMark(directory, `${prefix}origin`));
    return takesMarks ? undefined : 'its file system has no extended attributes, which overlayfs needs';
  });
}

function takesMark(directory: number, name: string): boolean {
  try {
    openLinuxSystem().setXattr(directory, name, new Uint8Array(0));
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP', 'EPERM')) return false;
    throw error;
  }
}

function describe(error: OverlayerError): string {
  return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
}
