import { once } from 'node:events';
import { mkdir, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { startWorker } from '../base/start-worker.js';
import { removeTree } from '../rootfs/remove-tree.js';
import { openLinuxSystem } from '../system/linux.js';
import { AT_FDCWD, asSystemError, O } from '../system/system.js';
import { mountError } from './mount-error.js';

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
  /** Layers may be idmapped mounts. */
  readonly idmapped: boolean;
}

/**
 * Finds out by mounting (`probe-worker.ts`), in a directory of its own below `directory` that is gone afterwards. Its
 * name and the lock on it are those of a snapshot that is being made (`SnapshotDirectories`): what a dead process
 * leaves, `cleanup` frees. The mounts are in a namespace of a thread's own, and die with the process.
 *
 * @throws OverlayerError `NotFound` or `PermissionDenied` when there can be no such directory
 */
export async function probeOverlay(directory: string): Promise<OverlaySupport> {
  const system = openLinuxSystem();
  const scratch = await makeScratch(directory);
  const [lock, parent] = [scratch, directory].map((path) =>
    system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0),
  ) as [number, number];
  try {
    system.tryLock(lock);
    return await probe(scratch);
  } finally {
    removeTree(system, parent, basename(scratch));
    system.close(parent);
    system.close(lock);
  }
}

async function probe(scratch: string): Promise<OverlaySupport> {
  const worker = startWorker(new URL(import.meta.resolve('#probe-worker')), { name: 'probe', data: scratch });
  const [[support]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  return support as OverlaySupport;
}

async function makeScratch(directory: string): Promise<string> {
  try {
    const scratch = await mkdtemp(join(directory, 'new-probe-'));
    // For whether the names in it come with their types.
    await mkdir(join(scratch, 'directory'));
    return scratch;
  } catch (error) {
    throw mountError(`Cannot try overlayfs in "${directory}"`, asSystemError(error, directory));
  }
}
