import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { WorkerThread } from '../base/threads/worker-thread.js';
import { OPEN_DIRECTORY, withChild } from '../rootfs/directory.js';
import { OVERLAY_PREFIXES } from '../rootfs/lower-layers.js';
import { openLinuxSystem } from '../system/linux.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, DT, isErrno, S } from '../system/system.js';
import { takesLayersOneByOne } from './kinds/overlay-mount.js';
import type { Mount } from './mount.js';
import { escapeLayer } from './overlay-layers.js';
import { inScratch, type MountAt, reasonOf, withDetachedMounts } from './probe-mounts.js';

/** The features of overlayfs for layers on the filesystem of a directory. */
export interface OverlaySupport {
  readonly supported: boolean;
  /** Why not, for people. */
  readonly reason: string | undefined;
  /** Mounts need the option `userxattr`: a user namespace may not use `trusted.*` attributes. */
  readonly userxattr: boolean;
  /** The kernel knows the option `index`. It has to be off for layers that later mounts combine with other layers. */
  readonly indexOff: boolean;
  /** The kernel takes layers one by one (`lowerdir+`), so that there is room for long paths. */
  readonly lowerdirAppend: boolean;
  /** The process may make whiteouts as devices 0:0. */
  readonly whiteoutDevices: boolean;
  /** Layers may be idmapped mounts. */
  readonly idmapped: boolean;
}

/** A job of `probe-worker.ts`. */
export interface OverlayProbeJobs {
  probeOverlay(input: { readonly scratch: string }): OverlaySupport;
}

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';
/** Its place in a listing shows whether the file system lists types. */
const LISTED_DIRECTORY = 'directory';

/**
 * Finds out what overlayfs can do by mounting overlays in a new directory below `directory`, which is removed
 * afterwards. The mounts are not visible to other processes, and they end with this process.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`, `ResourceExhausted` when the directory cannot be made
 */
export async function probeOverlay(directory: string): Promise<OverlaySupport> {
  return await inScratch(directory, 'Cannot try overlayfs', async (detached, thread) => {
    // 8 ms, where a thread takes 50 ms. Kernels before 6.15 cannot do all of it with detached mounts.
    const found = await probeDetached(detached);
    return found.supported && found.idmapped ? found : await probeInThread(thread);
  });
}

export async function probeDetached(scratch: string): Promise<OverlaySupport> {
  return await withDetachedMounts((system, mountAt) => probe(system, scratch, mountAt));
}

export async function probeInThread(scratch: string): Promise<OverlaySupport> {
  const script = () => new URL('../threads/probe.cjs', import.meta.url);
  const thread = new WorkerThread<OverlayProbeJobs>(script, 'probe');
  return await thread.runLast({ type: 'probeOverlay', scratch });
}

/** Mounts overlays in an empty directory, and looks at them. */
export async function probe(system: MountSystem, scratch: string, mountAt: MountAt): Promise<OverlaySupport> {
  mkdirSync(join(scratch, LISTED_DIRECTORY)); // not recursively: Node hides ENOSPC then
  let count = 0;
  const mountOverlay = async (options: readonly string[]) => {
    const base = join(scratch, String(count++));
    return await mountAt([makeOverlay(base, options)], join(base, 'merged'));
  };
  const impossible = findLack(scratch);
  const trusted = impossible ?? (await findFailure(mountOverlay([])));
  const reason = impossible ?? (trusted && (await findFailure(mountOverlay(['userxattr']))));
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

/** The directories of an overlay whose lower layer has a file in a directory. */
function makeOverlay(base: string, options: readonly string[]): Mount {
  const at = (name: string) => join(base, name);
  for (const path of [join(at('lower'), 'directory'), at('upper'), at('work'), at('merged')])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(at('lower'), 'directory', 'file'), '');
  const directories = ['lower', 'upper', 'work'].map((name) => `${name}dir=${escapeLayer(at(name))}`);
  return { type: 'overlay', source: 'overlay', options: [...directories, ...options] };
}

/** Replaces a directory of the lower layer, for which overlayfs sets an attribute. @returns why it does not work */
function findFailure(mounted: Promise<string>): Promise<string | undefined> {
  return reasonOf('overlayfs', async () => {
    const directory = join(await mounted, 'directory');
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    if (readdirSync(directory).length > 0) throw new Error('overlayfs does not hide what is replaced');
  });
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

function mayMakeWhiteouts(scratch: string): boolean {
  try {
    openLinuxSystem().makeNode(AT_FDCWD, join(scratch, 'whiteout'), S.IFCHR, 0, 0);
    return true;
  } catch {
    return false;
  }
}

/** Checks what overlayfs needs of the file system. @returns what it lacks */
function findLack(scratch: string): string | undefined {
  const system = openLinuxSystem();
  return withChild(system, AT_FDCWD, scratch, OPEN_DIRECTORY, (directory) => {
    // overlayfs finds whiteouts by the types in a directory's listing.
    if (system.list(directory).some(({ type }) => type === DT.UNKNOWN))
      return 'its file system does not list the types of files (d_type), which overlayfs needs: make xfs with ftype=1, ext4 with the feature filetype';
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
