import { mkdir, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { removeTree } from '../rootfs/trees/remove-tree.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { AT_FDCWD, O, type System } from '../system/system.js';
import { tryDetached } from './try-detached.js';
import { tryInThread } from './try-in-thread.js';
import { LISTED_DIRECTORY } from './try-overlay.js';

/** Each try has a place of its own. */
const DETACHED = 'detached';
const THREAD = 'thread';

/** What overlayfs can do for layers on the file system below a directory. */
export interface OverlaySupport {
  readonly supported: boolean;
  /** Why not, for people. */
  readonly reason: string | undefined;
  /** Mounts need the option `userxattr`: a user namespace may not use `trusted.*` attributes. */
  readonly userxattr: boolean;
  /** The kernel knows the option `index`, which has to be off for layers that are used with others later. */
  readonly indexOff: boolean;
  /** The kernel takes layers one by one (`lowerdir+`), so that there is room for long paths. */
  readonly lowerdirAppend: boolean;
  /** Whiteouts can be made as devices: an unprivileged process may be kept from it. */
  readonly whiteoutDevices: boolean;
  /** Layers may be idmapped mounts. */
  readonly idmapped: boolean;
}

/**
 * Finds out by mounting, in a directory of its own below `directory` that is gone afterwards. Its name and the lock on
 * it are those of a snapshot that is being made (`SnapshotDirectories`): what a dead process leaves, `cleanup` frees.
 * Nobody else sees the mounts, and they die with the process.
 *
 * @throws OverlayerError `NotFound` or `PermissionDenied` when there can be no such directory
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
  // First: what is made is removed also where no descriptor is left then.
  const parent = system.openAt(AT_FDCWD, directory, O.RDONLY | O.DIRECTORY, 0);
  try {
    const scratch = await makeScratch(directory);
    try {
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
    return await probe(scratch);
  } finally {
    if (typeof lock === 'number') system.close(lock);
  }
}

async function probe(scratch: string): Promise<OverlaySupport> {
  // 8 ms, where a thread takes 50. What it does not find may be there still: that takes a new kernel.
  const found = await tryDetached(join(scratch, DETACHED));
  return found.supported && found.idmapped ? found : await tryInThread(join(scratch, THREAD));
}

async function makeScratch(directory: string): Promise<string> {
  const scratch = await mkdtemp(join(directory, 'new-probe-'));
  for (const place of [DETACHED, THREAD]) {
    await mkdir(join(scratch, place));
    await mkdir(join(scratch, place, LISTED_DIRECTORY));
  }
  return scratch;
}
