import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { removeTree } from '../rootfs/remove-tree.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, asSystemError, O, type System } from '../system/system.js';
import { mountError } from './mount-error.js';
import { mountOnto } from './mount-onto.js';
import { openMountSystem } from './open-mount-system.js';
import { escapeLayer, takesLayersOneByOne } from './overlay-mount.js';
import { unmountTree } from './unmount-tree.js';

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

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';
const DT_UNKNOWN = 0;

/**
 * Finds out by mounting, in a directory of its own below `directory` that is gone afterwards. Its name and the lock on
 * it are those of a snapshot that is being made (`SnapshotDirectories`): what a dead process leaves, `cleanup` frees.
 *
 * @throws OverlayerError `NotFound` or `PermissionDenied` when there can be no such directory
 */
export async function probeOverlay(directory: string): Promise<OverlaySupport> {
  const [mounts, { openLinuxSystem }] = await Promise.all([openMountSystem(), import('../system/linux.js')]);
  const system = openLinuxSystem();
  const scratch = await makeScratch(directory);
  const [lock, parent] = [scratch, directory].map((path) =>
    system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0),
  ) as [number, number];
  try {
    system.tryLock(lock);
    return await probe(new Scratch(mounts, scratch), system);
  } finally {
    await unmountTree(mounts, scratch, { lazy: true });
    removeTree(system, parent, basename(scratch));
    system.close(parent);
    system.close(lock);
  }
}

async function probe(scratch: Scratch, system: System): Promise<OverlaySupport> {
  const noTypes = namesWithoutTypes(system, scratch.path);
  const trusted = noTypes ?? (await scratch.tryLayers([]));
  const reason = noTypes ?? (trusted && (await scratch.tryLayers(['userxattr'])));
  const supported = reason === undefined;
  const userxattr = supported && trusted !== undefined;
  return {
    supported,
    reason,
    userxattr,
    indexOff: existsSync(INDEX_PARAMETER),
    lowerdirAppend: supported && takesLayersOneByOne(scratch.system),
    idmapped: supported && (await scratch.mapsOwners(userxattr ? ['userxattr'] : [])),
  };
}

/** Directories to mount and to be mounted. */
class Scratch {
  readonly system: MountSystem;
  readonly path: string;
  #count = 0;

  constructor(system: MountSystem, path: string) {
    this.system = system;
    this.path = path;
  }

  /** Whether a directory of a layer can be replaced, which takes an attribute to say so. @returns why not */
  async tryLayers(options: readonly string[]): Promise<string | undefined> {
    try {
      await this.#withOverlay(options, async (merged) => {
        const directory = join(merged, 'directory');
        await rm(directory, { recursive: true });
        await mkdir(directory);
        if ((await readdir(directory)).length > 0)
          throw new Error('overlayfs does not hide what is replaced');
      });
      return undefined;
    } catch (error) {
      if (!OverlayerError.is(error)) return `overlayfs does not work there: ${(error as Error).message}`;
      return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
    }
  }

  async mapsOwners(options: readonly string[]): Promise<boolean> {
    const [uid, gid] = [process.geteuid!(), process.getegid!()];
    const maps = [`uidmap=${uid}:${uid + 1}:1`, `gidmap=${gid}:${gid + 1}:1`];
    try {
      return await this.#withOverlay([...options, ...maps], async (merged) => {
        const file = await stat(join(merged, 'directory', 'file'));
        return file.uid === uid + 1 && file.gid === gid + 1;
      });
    } catch {
      return false;
    }
  }

  async #withOverlay<T>(options: readonly string[], use: (merged: string) => Promise<T>): Promise<T> {
    const base = join(this.path, String(this.#count++));
    const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => join(base, name));
    for (const path of [join(lower!, 'directory'), upper!, work!, merged!])
      await mkdir(path, { recursive: true });
    await writeFile(join(lower!, 'directory', 'file'), '');
    const layers = [`lowerdir=${escapeLayer(lower!)}`, `upperdir=${escapeLayer(upper!)}`];
    const mount = {
      type: 'overlay',
      source: 'overlay',
      options: [...layers, `workdir=${escapeLayer(work!)}`, ...options],
    };
    await mountOnto(this.system, [mount], merged!);
    try {
      return await use(merged!);
    } finally {
      await unmountTree(this.system, merged!, { lazy: false });
    }
  }
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

/** overlayfs tells whiteouts from files by the types that a directory lists. @returns what is wrong */
function namesWithoutTypes(system: System, path: string): string | undefined {
  const descriptor = system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY, 0);
  try {
    if (system.list(descriptor).every(({ type }) => type !== DT_UNKNOWN)) return undefined;
    return 'its file system does not list the types of files (d_type), which overlayfs needs: xfs is to be made with ftype=1, ext4 with the feature filetype';
  } finally {
    system.close(descriptor);
  }
}
