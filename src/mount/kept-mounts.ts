import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { AbortableOptions } from '../base/abort.js';
import { closeQuietly } from '../rootfs/directory.js';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { waitForLock } from '../rootfs/wait-for-lock.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD } from '../system/system.js';
import type { Mount } from './mount.js';
import { mountOnto } from './mount-onto.js';
import { splitOption } from './mount-options.js';

/** The name of the daemon's directory of them in the root of a store. */
export const KEPT_MOUNTS = 'mounted';
/** The name of the directory in the root of a store for those of `mountShared`. */
export const SHARED_MOUNTS = 'shared-mounts';
/** The magic number of EROFS (statfs(2)). */
const EROFS_MAGIC = 0xe0f5e1e2;
/** Earlier versions named a directory by the inode number alone. No file has such a name, so `sweep` removes it. */
const NAME = /^\d+(?:-\d+)?(?:-[0-9a-f]{16})?$/;
/** Another process holds the lock for about a millisecond, unless it is stopped. */
const LOCK_LIMIT_MS = 5000;

/** The result of `KeptMounts.sweep`. */
export interface SweepResult {
  /** Paths at which a file was unmounted. */
  readonly unmounted: readonly string[];
  readonly failed: readonly { readonly path: string; readonly error: unknown }[];
}

/**
 * EROFS files that stay mounted, each at one directory, for programs that mount only directories and overlays of
 * directories.
 *
 * The directory of a mount is named by the device and the inode number of its file. All hard links of a file therefore
 * share a mount, with one page cache. The numbers name no other file, because a mounted file keeps its inode. So a mount
 * can be found again without a record: after a restart, and when another process made it.
 *
 * Calls of several processes exclude each other by a lock of the directory (flock).
 */
export class KeptMounts {
  readonly #system: MountSystem;
  readonly #directory: string;
  readonly #files: () => Iterable<string>;
  readonly #used: () => ReadonlySet<string>;
  /** The path under which a file was held last, by the name of its directory. */
  readonly #held = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param directory an absolute path without symlinks. It is made for the first mount, with mode 0700
   * @param files paths of all files that are in use. They need not exist
   * @param used the names in the directory that are in use. @default those of `files`
   */
  constructor(
    directory: string,
    files: () => Iterable<string>,
    system: MountSystem = openLinuxMountSystem(),
    used: () => ReadonlySet<string> = () => fileNamesOf(files()),
  ) {
    this.#directory = directory;
    this.#files = files;
    this.#used = used;
    this.#system = system;
  }

  /**
   * Mounts files that are not mounted yet. After a failure none of them stays mounted that was not before.
   *
   * @param mounts each of the type `erofs`
   * @returns the directories, in the same order
   * @throws OverlayerError as `mountAll`; `Unavailable`: another process keeps the lock for more than 5 s
   */
  hold(mounts: readonly Mount[]): Promise<readonly string[]> {
    return this.use(mounts, async (places) => places);
  }

  /** Does what `hold` does. No call of another process or object unmounts one of the files while `use` runs. */
  use<T>(mounts: readonly Mount[], use: (places: readonly string[]) => Promise<T>): Promise<T> {
    return this.#exclusively(async () => await use(await this.#hold(mounts)));
  }

  async #hold(mounts: readonly Mount[]): Promise<readonly string[]> {
    const made: string[] = [];
    try {
      const places: string[] = [];
      for (const mount of mounts) {
        const name = nameOf(mount);
        const place = join(this.#directory, name);
        places.push(place);
        this.#held.set(name, mount.source);
        if (this.#isMounted(place)) continue;
        made.push(place);
        mkdirSync(place, { recursive: true, mode: 0o700 });
        await mountOnto(this.#system, [mount], place);
      }
      return places;
    } catch (error) {
      // What can't be unmounted now is unused, so `sweep` does it: the first error says more.
      for (const place of made.reverse()) await this.#unmount(place).catch(() => {});
      throw toOverlayerError(error, `Cannot mount layers in "${this.#directory}"`);
    }
  }

  /**
   * The file that is mounted at a directory that `hold` has returned, also in another process.
   *
   * @returns undefined for other directories
   */
  fileAt(place: string): string | undefined {
    if (dirname(place) !== this.#directory) return undefined;
    const name = basename(place);
    const held = this.#held.get(name);
    if (held !== undefined && fileNameIfFound(held) === name) return held;
    for (const file of this.#files()) if (fileNameIfFound(file) === name) return file;
    return undefined;
  }

  /**
   * Unmounts the files that are not in use. Programs that have files of a mount open keep it until they close them.
   *
   * @throws OverlayerError `Unavailable`: another process keeps the lock for more than 5 s
   */
  async sweep(options: AbortableOptions = {}): Promise<SweepResult> {
    const unmounted: string[] = [];
    const failed: { path: string; error: unknown }[] = [];
    if (namesIn(this.#directory).length === 0) return { unmounted, failed };
    await this.#exclusively(async () => {
      for (const path of this.unused())
        try {
          const isMounted = this.#isMounted(path);
          await this.#unmount(path);
          if (isMounted) unmounted.push(path);
        } catch (error) {
          failed.push({ path, error: toOverlayerError(error, `Cannot unmount "${path}"`) });
        }
    }, options);
    return { unmounted, failed };
  }

  /** The directories of mounts whose file is not in use. Some may have lost their mount. */
  unused(): readonly string[] {
    const names = namesIn(this.#directory);
    if (names.length === 0) return [];
    const used = this.#used();
    return names.filter((name) => !used.has(name)).map((name) => join(this.#directory, name));
  }

  #isMounted(place: string): boolean {
    try {
      return statfsSync(place).type === EROFS_MAGIC;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
  }

  async #unmount(place: string): Promise<void> {
    this.#held.delete(basename(place));
    // Two mounts can be stacked where another process has mounted without the lock.
    while (this.#isMounted(place)) await this.#system.unmount(place, { lazy: true });
    // Not recursively: below a directory that is still mounted are the files of a layer.
    rmdirSync(place);
  }

  /** Runs `work` after the earlier calls of this object, and while no other process holds the lock. */
  #exclusively<T>(work: () => Promise<T>, { signal }: AbortableOptions = {}): Promise<T> {
    const turn = this.#last.then(async () => {
      const system = openLinuxSystem();
      const path = this.#directory;
      mkdirSync(path, { recursive: true, mode: 0o700 });
      const take = () => {
        const lock = lockDirectory(system, AT_FDCWD, path);
        return typeof lock === 'number' ? lock : undefined;
      };
      const lock = await waitForLock(take, { path, limitMs: LOCK_LIMIT_MS, signal });
      try {
        return await work();
      } finally {
        closeQuietly(system, lock);
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** Names its file. Options change what is shown, and a repair can replace devices: both are part of the name. */
function nameOf({ source, options }: Mount): string {
  const file = fileNameOf(statSync(source, { bigint: true }));
  const others = options.filter((option) => option !== 'ro');
  if (others.length === 0) return file;
  const hash = createHash('sha256');
  for (const option of others) {
    const [key, device] = splitOption(option);
    hash.update(`${option}\0`);
    if (key === 'device' && device) hash.update(`${fileNameOf(statSync(device, { bigint: true }))}\0`);
  }
  return `${file}-${hash.digest('hex').slice(0, 16)}`;
}

/** No other file has it while this one is mounted. On overlayfs, files of two layers can have one inode number. */
function fileNameOf({ dev, ino }: BigIntStats): string {
  return `${dev}-${ino}`;
}

function fileNamesOf(files: Iterable<string>): ReadonlySet<string> {
  const names = new Set<string>();
  for (const file of files) {
    const name = fileNameIfFound(file);
    if (name !== undefined) names.add(name);
  }
  return names;
}

/** @returns undefined when there is no such file */
function fileNameIfFound(file: string): string | undefined {
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  return stat && fileNameOf(stat);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => NAME.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
