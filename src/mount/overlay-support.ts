import { close, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { WorkerThread } from '../base/threads/worker-thread.js';
import { OPEN_DIRECTORY, withChild } from '../rootfs/directory.js';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { OVERLAY_PREFIXES } from '../rootfs/lower-layers.js';
import { removeTree } from '../rootfs/trees/remove-tree.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, DT, isErrno, S, type System, SystemError } from '../system/system.js';
import { takesLayersOneByOne } from './kinds/overlay-mount.js';
import type { Mount } from './mount.js';
import { mountOnto } from './mount-onto.js';
import { escapeLayer } from './overlay-layers.js';

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

/** The job of `probe-worker.ts`. */
export interface ProbeJobs {
  probe(input: { readonly scratch: string }): OverlaySupport;
}

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';
/** Shortages, as Node's errors (`code`) and overlayer's (`errno`) name them. They say nothing about overlayfs. */
const SHORTAGES = ['EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EDQUOT'];
/** Each way to probe has a directory of its own. */
const DETACHED = 'detached';
const THREAD = 'thread';
/** A directory in each of them: its listing shows whether the file system lists types. */
const LISTED_DIRECTORY = 'directory';

/**
 * Finds out what overlayfs can do by mounting overlays in a new directory below `directory`, which is removed
 * afterwards. The mounts are not visible to other processes, and they end with this process.
 *
 * The new directory has the name and the lock of a snapshot that is being made (`SnapshotDirectories`): `cleanup`
 * removes it when the process has died.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`, `ResourceExhausted` when the directory cannot be made
 */
export async function probeOverlay(directory: string): Promise<OverlaySupport> {
  try {
    return await probeIn(directory);
  } catch (error) {
    throw toOverlayerError(error, `Cannot try overlayfs in "${directory}"`);
  }
}

async function probeIn(directory: string): Promise<OverlaySupport> {
  const system = openLinuxSystem();
  // Opened first: the directory can then be removed also when the process has no descriptor left.
  const parent = system.openAt(AT_FDCWD, directory, OPEN_DIRECTORY, 0);
  try {
    const scratch = await mkdtemp(join(directory, 'new-probe-'));
    try {
      for (const place of [DETACHED, THREAD]) {
        await mkdir(join(scratch, place));
        await mkdir(join(scratch, place, LISTED_DIRECTORY)); // not recursively: Node hides ENOSPC then
      }
      return await probeLocked(system, scratch);
    } finally {
      removeTree(system, parent, basename(scratch));
    }
  } finally {
    system.close(parent);
  }
}

async function probeLocked(system: System, scratch: string): Promise<OverlaySupport> {
  const lock = lockDirectory(system, AT_FDCWD, scratch);
  try {
    // 8 ms, where a thread takes 50 ms. Kernels before 6.15 cannot do all of it with detached mounts.
    const found = await probeDetached(join(scratch, DETACHED));
    return found.supported && found.idmapped ? found : await probeInThread(join(scratch, THREAD));
  } finally {
    if (typeof lock === 'number') system.close(lock);
  }
}

/** Probes with mounts that are attached nowhere. They end with their descriptors, up to 10 ms after this returns. */
export async function probeDetached(scratch: string): Promise<OverlaySupport> {
  const opened: number[] = [];
  let tree: number | undefined;
  const system: MountSystem = {
    ...withoutUnmount(openLinuxMountSystem()),
    attach: (descriptor) => {
      tree = descriptor;
    },
    close: (descriptor) => void opened.push(descriptor),
    mount: ({ target }) => {
      throw new SystemError('ENOSYS', 'mount', target); // mount(2) always attaches
    },
  };
  try {
    return await probe(system, scratch, async (mount, target) => {
      await mountOnto(system, [mount], target);
      return `/proc/self/fd/${tree}`;
    });
  } finally {
    // Node's threads close them: each close waits 2 to 10 ms for all processors.
    for (const descriptor of opened) close(descriptor, () => {});
  }
}

/** Probes with mounts in the mount namespace of a new thread. */
export async function probeInThread(scratch: string): Promise<OverlaySupport> {
  const thread = new WorkerThread<ProbeJobs>(() => new URL('../threads/probe.cjs', import.meta.url), 'probe');
  return await thread.runLast({ type: 'probe', scratch });
}

/** A probe's mounts end with their descriptors, or with their thread's namespace. */
export function withoutUnmount(system: MountSystem): MountSystem {
  return { ...system, unmount: async () => {} };
}

/**
 * Mounts overlays in a directory that has a `LISTED_DIRECTORY`, and looks at them.
 *
 * @param mountAt mounts onto a directory, and returns a path at which the mount is visible
 */
export async function probe(
  system: MountSystem,
  scratch: string,
  mountAt: (mount: Mount, target: string) => Promise<string>,
): Promise<OverlaySupport> {
  let count = 0;
  const mountOverlay = async (options: readonly string[]) => {
    const base = join(scratch, String(count++));
    return await mountAt(makeOverlay(base, options), join(base, 'merged'));
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
async function findFailure(mounted: Promise<string>): Promise<string | undefined> {
  try {
    const directory = join(await mounted, 'directory');
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    if (readdirSync(directory).length > 0) throw new Error('overlayfs does not hide what is replaced');
    return undefined;
  } catch (error) {
    if (isShortage(error)) throw error;
    if (!OverlayerError.is(error)) return `overlayfs does not work there: ${(error as Error).message}`;
    return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
  }
}

function isShortage(error: unknown): boolean {
  const { code, errno } = error as { readonly code?: string; readonly errno?: string | number };
  return SHORTAGES.some((each) => each === code || each === errno);
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
