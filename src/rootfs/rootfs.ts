import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { AT_FDCWD, isErrno, O, S, type Stat, type System } from '../system/system.js';
import { closeDirectory, type Directory, describeDirectory, joinPath } from './directory.js';
import { DirectoryCache } from './directory-cache.js';
import { isOpaque, lookupLower } from './lower-layers.js';

/** As the kernel's own limit is 40, and containerd's 255. */
const MAX_SYMLINKS = 255;

const OPEN_DIRECTORY = O.RDONLY | O.DIRECTORY | O.NONBLOCK;

/** What to do about a path that is not there: make it, make what a lower layer has, or nothing. */
export type Missing = 'create' | 'create-if-in-lowers' | 'leave';

/** What happens on the way to a directory, told to whoever knows what the layer is. */
export interface RootfsEvents {
  /**
   * A directory was made because a path leads through it: `like` is the nearest lower layer's directory
   * whose attributes it takes, undefined where there is none.
   */
  implicitDirectory(created: Directory, like: number | undefined): void;
  /** A directory that was there before is about to be written into. */
  existingDirectory(directory: Directory): void;
  /** Something that is no directory stands in the way. Removes it, or throws. */
  blocked(parent: Directory, name: string, stat: Stat, path: string): void;
}

/** For whoever writes nothing: nothing happens then. */
export const NO_EVENTS: RootfsEvents = { implicitDirectory() {}, existingDirectory() {}, blocked() {} };

/**
 * A root file system being written: the only place that joins an archive's path to it. A path is resolved by
 * descriptors below the root, symlinks as inside a chroot; no check of the string stands in for that, and what
 * another process does to the tree meanwhile can't lead outside.
 */
export class Rootfs {
  readonly system: System;
  readonly #root: Directory;
  readonly #events: RootfsEvents;
  readonly #cache: DirectoryCache;

  /** @param lowers roots of the lower layers, nearest first; their descriptors stay the caller's */
  constructor(system: System, descriptor: number, lowers: readonly number[], events: RootfsEvents) {
    this.system = system;
    this.#root = describeDirectory(system, descriptor, lowers, '');
    this.#events = events;
    this.#cache = new DirectoryCache(system);
  }

  get root(): Directory {
    return this.#root;
  }

  /** The directory at a clean relative path ('' is the root), to be used at once: a later call may close it. */
  open(path: string, missing: 'create'): Directory;
  open(path: string, missing: Missing): Directory | undefined;
  open(path: string, missing: Missing): Directory | undefined {
    if (path === '') return this.#root;
    const cached = this.#cache.get(path);
    if (cached !== undefined) return cached;
    const directory = this.#openExisting(path) ?? this.#walk(path, missing);
    if (directory !== undefined) this.#cache.add(path, directory);
    return directory;
  }

  /** Where an open directory is below the root, whatever symlinks led to it; undefined where that can't be told. */
  #locate(descriptor: number): string | undefined {
    const pathOf = (open: number) => this.system.readLink(AT_FDCWD, `/proc/self/fd/${open}`);
    const root = pathOf(this.#root.descriptor);
    const path = pathOf(descriptor);
    if (path === root) return '';
    return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
  }

  /** The directory at `path` has new attributes. */
  forget(path: string): void {
    this.#cache.drop(path);
  }

  /** A directory or symlink was removed: any open path may have led through it. */
  forgetAll(): void {
    this.#cache.clear();
  }

  close(): void {
    this.#cache.clear();
  }

  /** One call to the kernel, where no lower layer has a say in it. */
  #openExisting(path: string): Directory | undefined {
    if (this.#root.lowers.length > 0) return undefined;
    try {
      return this.#existing(path, this.#openInRoot(path, 'refuse'), []);
    } catch (error) {
      if (isErrno(error, 'ELOOP')) return this.#openThroughSymlinks(path);
      if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
      return undefined;
    }
  }

  #openThroughSymlinks(path: string): Directory | undefined {
    try {
      const descriptor = this.#openInRoot(path, 'follow');
      const place = this.#orClose([descriptor], () => this.#locate(descriptor));
      return this.#existing(place ?? path, descriptor, []);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  }

  #openInRoot(path: string, symlinks: 'follow' | 'refuse'): number {
    return this.system.openInRoot(this.#root.descriptor, path, OPEN_DIRECTORY, symlinks);
  }

  #existing(path: string, descriptor: number, lowers: readonly number[]): Directory {
    return this.#orClose([descriptor, ...lowers], () => {
      const directory = describeDirectory(this.system, descriptor, lowers, path);
      this.#events.existingDirectory(directory);
      return directory;
    });
  }

  #orClose<T>(descriptors: readonly number[], work: () => T): T {
    try {
      return work();
    } catch (error) {
      for (const descriptor of descriptors) this.system.close(descriptor);
      throw error;
    }
  }

  /** Component by component, through this layer and those below as overlayfs would merge them. */
  #walk(path: string, missing: Missing): Directory | undefined {
    const todo = path.split('/').reverse();
    const levels: Directory[] = [this.#root];
    let links = 0;
    try {
      while (todo.length > 0) {
        const name = todo.pop()!;
        if (name === '' || name === '.') continue;
        if (name === '..') {
          if (levels.length > 1) closeDirectory(this.system, levels.pop()!);
          continue;
        }
        const next = this.#step(levels.at(-1)!, name, missing);
        if (next === undefined) return undefined;
        if (typeof next === 'object') {
          levels.push(next);
          continue;
        }
        if (++links > MAX_SYMLINKS)
          throw new OverlayerError(
            'InvalidArgument',
            `Cannot resolve "${displayPath(path)}": more than ${MAX_SYMLINKS} symlinks on its way`,
          );
        if (next.startsWith('/')) for (const level of levels.splice(1)) closeDirectory(this.system, level);
        todo.push(...next.split('/').reverse());
      }
      // The root itself is not closed with the cache: a path that resolves to it gets a descriptor of its own.
      if (levels.length === 1) return this.#reopenRoot();
      return levels.pop()!;
    } finally {
      for (const level of levels.slice(1)) closeDirectory(this.system, level);
    }
  }

  #reopenRoot(): Directory {
    const again = (descriptor: number) => this.system.openAt(descriptor, '.', OPEN_DIRECTORY, 0);
    return { ...this.#root, descriptor: again(this.#root.descriptor), lowers: this.#root.lowers.map(again) };
  }

  /** @returns the directory below, the target of a symlink, or undefined where there is nothing */
  #step(directory: Directory, name: string, missing: Missing): Directory | string | undefined {
    const below = joinPath(directory, name);
    const upper = this.#openUpper(directory, name);
    if (typeof upper === 'number') {
      const lowers = this.#orClose([upper], () => this.#lowersOf(directory, name, upper));
      return this.#existing(below, upper, lowers);
    }
    if (upper === 'other') {
      const stat = this.system.statAt(directory.descriptor, name);
      if ((stat.mode & S.IFMT) === S.IFLNK) return this.system.readLink(directory.descriptor, name);
      if (missing !== 'create') return undefined;
      this.#events.blocked(directory, name, stat, below);
      return this.#create(directory, name, below, []);
    }
    const lower = lookupLower(this.system, directory.lowers, name);
    if (lower?.kind === 'directory') {
      if (missing === 'leave') {
        for (const descriptor of lower.descriptors) this.system.close(descriptor);
        return undefined;
      }
      return this.#create(directory, name, below, lower.descriptors);
    }
    if (lower !== undefined && (lower.stat.mode & S.IFMT) === S.IFLNK)
      return this.system.readLink(lower.descriptor, name);
    return missing === 'create' ? this.#create(directory, name, below, []) : undefined;
  }

  #openUpper(directory: Directory, name: string): number | 'other' | undefined {
    try {
      return this.system.openAt(directory.descriptor, name, OPEN_DIRECTORY, 0);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      if (isErrno(error, 'ENOTDIR', 'ELOOP')) return 'other';
      throw error;
    }
  }

  #lowersOf(parent: Directory, name: string, upper: number): readonly number[] {
    if (parent.lowers.length === 0 || isOpaque(this.system, upper)) return [];
    const lower = lookupLower(this.system, parent.lowers, name);
    return lower?.kind === 'directory' ? lower.descriptors : [];
  }

  #create(parent: Directory, name: string, path: string, lowers: readonly number[]): Directory {
    return this.#orClose(lowers, () => {
      // 0700 keeps everybody out until the attributes are right.
      this.system.makeDirectory(parent.descriptor, name, 0o700);
      const descriptor = this.system.openAt(parent.descriptor, name, OPEN_DIRECTORY, 0);
      return this.#orClose([descriptor], () => {
        const created = describeDirectory(this.system, descriptor, lowers, path);
        this.#events.implicitDirectory(created, lowers[0]);
        // What it was made like may hand its group down.
        return describeDirectory(this.system, descriptor, lowers, path);
      });
    });
  }
}
