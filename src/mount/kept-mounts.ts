import { lstatSync, mkdirSync, readdirSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { closeQuietly } from '../rootfs/directory.js';
import { lockDirectory } from '../rootfs/lock-directory.js';
import { toOverlayerError } from '../system/errno-code.js';
import { openLinuxSystem } from '../system/linux.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD } from '../system/system.js';
import type { Mount } from './mount.js';
import { mountOnto } from './mount-onto.js';

/** The name of their directory in the root of a store. */
export const KEPT_MOUNTS = 'mounted';
/** The magic number of EROFS (statfs(2)). */
const EROFS_MAGIC = 0xe0f5e1e2;
/** The pause between two attempts to take the lock. Another process holds it for about a millisecond. */
const PAUSE_MS = 5;

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
 * The directory of a mount is named by the inode number of its file. All hard links of a file therefore share a mount,
 * with one page cache. The number names no other file, because a mounted file keeps its inode. So a mount can be found
 * again without a record: after a restart, and when another process made it. The files must be on one file system.
 *
 * Calls of several processes exclude each other by a lock of the directory (flock).
 */
export class KeptMounts {
  readonly #system: MountSystem;
  readonly #directory: string;
  #last: Promise<unknown> = Promise.resolve();

  /** @param directory an absolute path without symlinks. It is made for the first mount, with mode 0700 */
  constructor(directory: string, system: MountSystem = openLinuxMountSystem()) {
    this.#directory = directory;
    this.#system = system;
  }

  /**
   * Mounts files that are not mounted yet. After a failure none of them stays mounted that was not before.
   *
   * @param mounts each of the type `erofs`
   * @returns the directories, in the same order
   * @throws OverlayerError as `mountAll`
   */
  hold(mounts: readonly Mount[]): Promise<readonly string[]> {
    return this.#exclusively(async () => {
      const made: string[] = [];
      try {
        const places: string[] = [];
        for (const mount of mounts) {
          const place = this.#placeOf(mount.source);
          places.push(place);
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
    });
  }

  /**
   * Unmounts all but some files. Programs that have files of a mount open keep it until they close them.
   *
   * @param used returns the paths of the files that stay mounted. It is called while no other process mounts
   */
  async sweep(used: () => Iterable<string>): Promise<SweepResult> {
    const unmounted: string[] = [];
    const failed: { path: string; error: unknown }[] = [];
    if (namesIn(this.#directory).length === 0) return { unmounted, failed };
    await this.#exclusively(async () => {
      for (const path of this.unused(used()))
        try {
          if (this.#isMounted(path)) unmounted.push(path);
          await this.#unmount(path);
        } catch (error) {
          failed.push({ path, error: toOverlayerError(error, `Cannot unmount "${path}"`) });
        }
    });
    return { unmounted: unmounted.filter((path) => !failed.some((each) => each.path === path)), failed };
  }

  /** The directories of mounts whose file is none of these. Some may have lost their mount. */
  unused(files: Iterable<string>): readonly string[] {
    const names = namesIn(this.#directory);
    if (names.length === 0) return [];
    const used = new Set<string>();
    for (const file of files) {
      const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
      if (stat !== undefined) used.add(String(stat.ino));
    }
    return names.filter((name) => !used.has(name)).map((name) => join(this.#directory, name));
  }

  #placeOf(file: string): string {
    return join(this.#directory, String(statSync(file, { bigint: true }).ino));
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
    // Processes of earlier versions of the mount table may have stacked several.
    while (this.#isMounted(place)) await this.#system.unmount(place, { lazy: true });
    // Not recursively: below a directory that is still mounted are the files of a layer.
    rmdirSync(place);
  }

  /** Runs `work` after the earlier calls of this object, and while no other process holds the lock. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      const system = openLinuxSystem();
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      let lock = lockDirectory(system, AT_FDCWD, this.#directory);
      for (; typeof lock !== 'number'; lock = lockDirectory(system, AT_FDCWD, this.#directory))
        await setTimeout(PAUSE_MS);
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

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).filter((name) => /^[1-9]\d*$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
