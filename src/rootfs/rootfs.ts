import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { isErrno, S, type Stat, type System, type Times } from '../system/system.js';
import {
  type Directory,
  DirectoryCache,
  describeDirectory,
  joinPath,
  type NewDirectory,
  OPEN_DIRECTORY,
} from './directory.js';
import { isOpaque, lookupLower } from './lower-layers.js';

/** containerd's limit; the kernel's is 40. */
const MAX_SYMLINKS = 255;
/** More open directories are not faster. */
const MAX_OPEN = 256;
/** Bound of remembered paths through symlinks, and of remembered symlinks; one path may exceed it. */
const MAX_REMEMBERED = 1024;

/** Whether missing directories of a path are created: all, those that a lower layer has, or none. */
type Missing = 'create' | 'create-if-in-lowers' | 'leave';

/** Called while a path is resolved. */
export interface RootfsEvents {
  /**
   * A directory was made because a path leads through it. `like` is the directory of the nearest lower layer, whose attributes
   * it takes; undefined when there is none. `opened` is called next.
   */
  implicitDirectory(created: Directory, like: number | undefined): void;
  /** A directory below the root was opened for writing. @param times those that it is to get, if it is new */
  opened(directory: Directory, times: Times | undefined): void;
  /** The directory is about to be closed. */
  closing(directory: Directory): void;
  /** The directory `name` denies access (EACCES). @returns whether access is possible now */
  refused(parent: Directory, name: string): boolean;
  /** A file that is not a directory is on the path. Removes it, or throws. */
  blocked(parent: Directory, name: string, stat: Stat, path: string): void;
  /** One component of a path was resolved. */
  step(): void;
}

/** The events of a reader, which needs none. */
export const NO_EVENTS: RootfsEvents = {
  implicitDirectory() {},
  opened() {},
  closing() {},
  refused: () => false,
  blocked() {},
  step() {},
};

/**
 * A root filesystem that is written. Only this class joins an archive's path to the root. Paths are resolved relative to
 * descriptors below the root, with symlinks as in a chroot. No string check replaces that, so concurrent changes of the tree
 * can't lead outside.
 */
export class Rootfs {
  readonly system: System;
  readonly root: Directory;
  readonly #events: RootfsEvents;
  readonly #cache: DirectoryCache;
  /** Real paths of paths through symlinks, and the targets of these symlinks. */
  readonly #places = new Map<string, string>();
  readonly #links = new Map<string, string>();

  /**
   * @param lowers descriptors of the lower layers' roots, nearest first; the caller closes them
   * @param maxOpen bound of open descriptors of directories
   */
  constructor(
    system: System,
    descriptor: number,
    lowers: readonly number[],
    events: RootfsEvents,
    maxOpen: number = MAX_OPEN,
  ) {
    this.system = system;
    this.root = describeDirectory(system, descriptor, lowers, '');
    this.#events = events;
    this.#cache = new DirectoryCache(
      system,
      (directory) => events.closing(directory),
      Math.min(maxOpen, MAX_OPEN),
    );
  }

  /**
   * Opens the directory at a clean relative path ('' is the root). A later call may close it, except between `beginUse` and
   * `endUse`.
   */
  open(path: string, missing: 'create'): Directory;
  open(path: string, missing: Missing): Directory | undefined;
  open(path: string, missing: Missing): Directory | undefined {
    const known = this.#known(path);
    if (known !== undefined) return known;
    if (this.#places.size >= MAX_REMEMBERED || this.#links.size >= MAX_REMEMBERED) {
      this.#places.clear();
      this.#links.clear();
    }
    const directory = this.#openAtOnce(path) ?? this.#walk(path, missing);
    if (directory !== undefined && directory.path !== path) this.#places.set(path, directory.path);
    return directory;
  }

  /** Keeps a new directory open, as the next entries are likely to be in it. */
  adopt(parent: Directory, name: string, { descriptor, stat, times }: NewDirectory): void {
    if (parent.lowers.length === 0) {
      this.#opened(joinPath(parent, name), descriptor, [], stat, times);
      return;
    }
    // It may merge with lower directories, which are looked up when it is opened.
    try {
      this.system.setTimes(descriptor, times);
    } finally {
      this.system.close(descriptor);
    }
  }

  /** Keeps a directory open until `endUse`, also when others are opened or it is forgotten. */
  beginUse(directory: Directory): void {
    this.#cache.pin(directory);
  }

  endUse(): void {
    this.#cache.unpin();
  }

  /** Closes a directory whose attributes are about to change. */
  forget(path: string): void {
    this.#cache.drop(path);
  }

  /** Whether a path that was opened led through a symlink of this name, in this layer or in a lower one. */
  hasFollowed(path: string): boolean {
    return this.#links.has(path);
  }

  /** Closes all directories after a directory or symlink was removed or hidden: any path may have led through it. */
  forgetAll(): void {
    this.#places.clear();
    this.#links.clear();
    this.#cache.clear();
  }

  /** Closes the directories that are not in use, to free descriptors. */
  closeIdle(): void {
    this.#cache.shrink(0);
  }

  /** Closes all directories, with their final attributes. */
  finish(): void {
    this.forgetAll();
  }

  close(): void {
    this.#cache.abandon();
  }

  #known(path: string): Directory | undefined {
    if (path === '') return this.root;
    const known = this.#cache.get(path);
    if (known !== undefined || this.#places.size === 0) return known;
    const place = this.#places.get(path);
    if (place === undefined) return undefined;
    return place === '' ? this.root : this.#cache.get(place);
  }

  /** Opens the directory by one system call, if there are no lower layers and no symlink is on the path. */
  #openAtOnce(path: string): Directory | undefined {
    if (this.root.lowers.length > 0) return undefined;
    try {
      return this.#opened(path, this.system.openInRoot(this.root.descriptor, path, OPEN_DIRECTORY, 'refuse'));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) throw error;
      return undefined;
    }
  }

  #opened(
    path: string,
    descriptor: number,
    lowers: readonly number[] = [],
    stat?: Stat,
    times?: Times,
  ): Directory {
    const directory = this.#orClose([descriptor, ...lowers], () => {
      const described = describeDirectory(this.system, descriptor, lowers, path, stat);
      this.#events.opened(described, times);
      return described;
    });
    this.#cache.add(directory);
    return directory;
  }

  #orClose<T>(descriptors: readonly number[], work: () => T): T {
    try {
      return work();
    } catch (error) {
      for (const descriptor of descriptors) this.system.close(descriptor);
      throw error;
    }
  }

  /** Resolves component by component, through this layer and the lower ones as overlayfs merges them. */
  #walk(path: string, missing: Missing): Directory | undefined {
    const slash = Math.max(path.lastIndexOf('/'), 0);
    const parent = this.#known(path.slice(0, slash));
    let at = parent ?? this.root;
    const todo = (parent === undefined ? path : path.slice(slash)).split('/').reverse();
    /** Symlinks whose targets are being resolved, and the number of components that remain after each. */
    const open: { readonly link: string; readonly left: number }[] = [];
    let links = 0;
    for (;;) {
      while (open.at(-1)?.left === todo.length) this.#places.set(open.pop()!.link, at.path);
      if (todo.length === 0) return at;
      const name = todo.pop()!;
      this.#events.step();
      if (name === '' || name === '.') continue;
      if (name === '..') {
        // The parent may be closed: start at the root, on a path without symlinks.
        todo.push(...at.path.split('/').slice(0, -1).reverse());
        at = this.root;
        continue;
      }
      const below = joinPath(at, name);
      const next = this.#step(at, name, below, missing);
      if (next === undefined) return undefined;
      if (typeof next === 'object') {
        at = next;
        continue;
      }
      if (++links > MAX_SYMLINKS) {
        if (missing !== 'create') return undefined;
        throw new OverlayerError(
          'InvalidArgument',
          `Cannot resolve "${displayPath(path)}": more than ${MAX_SYMLINKS} symlinks on its way`,
        );
      }
      open.push({ link: below, left: todo.length });
      if (next.startsWith('/')) at = this.root;
      todo.push(...next.split('/').reverse());
    }
  }

  /** @returns the directory, the target of a symlink, or undefined when the name does not exist */
  #step(directory: Directory, name: string, below: string, missing: Missing): Directory | string | undefined {
    const known = this.#known(below) ?? this.#links.get(below);
    if (known !== undefined) return known;
    this.#cache.pin(directory);
    try {
      return this.#stepAnew(directory, name, below, missing);
    } finally {
      this.#cache.unpin();
    }
  }

  #stepAnew(
    directory: Directory,
    name: string,
    below: string,
    missing: Missing,
  ): Directory | string | undefined {
    const upper = this.#openUpper(directory, name);
    if (typeof upper === 'number') {
      const lowers = this.#orClose([upper], () => this.#lowersOf(directory, name, upper));
      return this.#opened(below, upper, lowers);
    }
    if (upper === 'other') {
      const stat = this.system.statAt(directory.descriptor, name);
      if ((stat.mode & S.IFMT) === S.IFLNK) return this.#follow(directory.descriptor, name, below);
      if (missing !== 'create') return undefined;
      this.#events.blocked(directory, name, stat, below);
      return this.#create(directory, name, below, []);
    }
    const lower = lookupLower(this.system, directory.lowers, name);
    if (lower?.kind === 'directory') {
      if (missing !== 'leave') return this.#create(directory, name, below, lower.descriptors);
      for (const descriptor of lower.descriptors) this.system.close(descriptor);
      return undefined;
    }
    if (lower !== undefined && (lower.stat.mode & S.IFMT) === S.IFLNK)
      return this.#follow(lower.descriptor, name, below);
    return missing === 'create' ? this.#create(directory, name, below, []) : undefined;
  }

  #follow(directory: number, name: string, path: string): string {
    const target = this.system.readLink(directory, name);
    this.#links.set(path, target);
    return target;
  }

  #openUpper(directory: Directory, name: string): number | 'other' | undefined {
    try {
      return this.system.openAt(directory.descriptor, name, OPEN_DIRECTORY, 0);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      if (isErrno(error, 'ENOTDIR', 'ELOOP')) return 'other';
      if (!isErrno(error, 'EACCES') || !this.#events.refused(directory, name)) throw error;
      return this.system.openAt(directory.descriptor, name, OPEN_DIRECTORY, 0);
    }
  }

  #lowersOf(parent: Directory, name: string, upper: number): readonly number[] {
    if (parent.lowers.length === 0 || isOpaque(this.system, upper)) return [];
    const lower = lookupLower(this.system, parent.lowers, name);
    return lower?.kind === 'directory' ? lower.descriptors : [];
  }

  #create(parent: Directory, name: string, path: string, lowers: readonly number[]): Directory {
    const descriptor = this.#orClose(lowers, () => {
      // 0700 denies access to other users until the attributes are set.
      this.system.makeDirectory(parent.descriptor, name, 0o700);
      return this.system.openAt(parent.descriptor, name, OPEN_DIRECTORY, 0);
    });
    this.#orClose([descriptor, ...lowers], () =>
      this.#events.implicitDirectory(describeDirectory(this.system, descriptor, lowers, path), lowers[0]),
    );
    return this.#opened(path, descriptor, lowers);
  }
}
