import { OverlayerError } from '../base/errors.js';
import type { Limits } from '../base/limits.js';
import { displayPath } from '../base/path-bytes.js';
import { copyAttributes } from '../rootfs/copy-up.js';
import { DeferredDirectories } from '../rootfs/deferred-directories.js';
import { type Directory, isDirectory, statId } from '../rootfs/directory.js';
import { EntryWriter } from '../rootfs/entry-writer.js';
import { fromSystemError } from '../rootfs/errno-code.js';
import type { Identity } from '../rootfs/identity.js';
import { isWhiteout } from '../rootfs/lower-layers.js';
import { Rootfs } from '../rootfs/rootfs.js';
import { DEFAULT_ACL } from '../rootfs/xattrs.js';
import { isErrno, S, type System, SystemError, type Times } from '../system/system.js';
import type { TarEntry, TarSink } from '../tar/types.js';
import { AnomalyLog } from './anomaly.js';
import { atEntry } from './applier-errors.js';
import { DirectoryTarget } from './directory-target.js';
import type { Operation } from './operation.js';
import { OverlayTarget } from './overlay-target.js';
import { planEntry } from './plan.js';
import type { Target } from './target.js';

/** Of what no layer says a time: the same for every unpack, so that the same layer gives the same tree. */
const EPOCH: Times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 };
const IMPLICIT_MODE = 0o755;
/** A name that another process keeps making again: give up after this many. */
const PLACE_ATTEMPTS = 8;

const NODE_TYPES = { 'character-device': S.IFCHR, 'block-device': S.IFBLK, fifo: S.IFIFO } as const;

export interface ApplierOptions {
  readonly target: 'directory' | 'overlay';
  readonly identity: Identity;
  readonly limits: Limits;
  /** Open descriptors of the lower layers' roots, nearest first. */
  readonly lowers: readonly number[];
  /** Whether the root held anything before. */
  readonly merge: boolean;
  /** The umask of this thread is not 0: set each mode by a call of its own. */
  readonly exactModes: boolean;
}

type Placed = Parameters<Target['replace']>[1];

/** Puts a layer's entries into a root file system: the decoder's sink. Call `finish`, and `close` in any case. */
export class Applier implements TarSink {
  readonly anomalies = new AnomalyLog();
  whiteouts = 0;
  readonly #system: System;
  readonly #limits: Limits;
  readonly #deferred = new DeferredDirectories();
  readonly #rootfs: Rootfs;
  readonly #target: Target;
  readonly #writer: EntryWriter;
  readonly #checkLinkTargets: boolean;
  #entry: TarEntry | undefined;
  /** The file being written, and the directory it is in. */
  #file: Placed | undefined;
  #fileParent: Directory | undefined;

  constructor(system: System, root: number, options: ApplierOptions) {
    const { identity, limits, lowers, merge } = options;
    this.#system = system;
    this.#limits = limits;
    this.#rootfs = new Rootfs(system, root, lowers, {
      implicitDirectory: (path, created, like) => this.#implicitDirectory(path, created, like),
      existingDirectory: (path, directory) => this.#keepTimes(path, directory),
      blocked: (parent, name, stat, path) => this.#target.blocked(parent, name, stat, path),
    });
    const rootfs = () => this.#rootfs;
    this.#checkLinkTargets = options.target === 'overlay';
    this.#target =
      options.target === 'overlay'
        ? new OverlayTarget(rootfs, this.#deferred, {
            rootless: identity.rootless,
            hasLowers: lowers.length > 0,
          })
        : new DirectoryTarget(rootfs, this.#deferred, merge);
    // A default ACL changes the modes of what is made below it.
    const exactModes = options.exactModes || system.getXattr(root, DEFAULT_ACL) !== undefined;
    this.#writer = new EntryWriter(system, identity, this.#deferred, exactModes, (kind, entry, detail) =>
      this.anomalies.add({ kind, entry: entry.path, offset: entry.offset, detail }),
    );
    if (merge) this.#keepTimes('', this.#rootfs.root);
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    const operation = planEntry(entry, this.#limits, (anomaly) => this.anomalies.add(anomaly));
    if (operation !== undefined) this.#run(() => this.#apply(operation));
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#file !== undefined) this.#run(() => this.#writer.data(bytes, start, end, position));
  }

  entryEnd(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    this.#run(() => this.#writer.endFile(this.#fileParent!, file.entry));
  }

  /** All entries are there: what had to wait for that. */
  finish(): void {
    this.#entry = undefined;
    this.#run(() => this.#deferred.apply(this.#rootfs));
  }

  close(): void {
    this.#writer.abandonFile();
    this.#rootfs.close();
  }

  #run(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof SystemError) throw fromSystemError(error, this.#entry);
      throw error instanceof OverlayerError ? atEntry(error, this.#entry) : error;
    }
  }

  #apply(operation: Operation): void {
    switch (operation.op) {
      case 'whiteout':
        this.whiteouts += 1;
        this.#target.whiteout(operation);
        return;
      case 'opaque':
        this.whiteouts += 1;
        this.#target.opaque(operation);
        return;
      default:
        if (operation.path === '')
          this.#writer.replaceAttributesOf(this.#rootfs.root.descriptor, '', operation.entry);
        else this.#place(operation, this.#rootfs.open(operation.parent, 'create'));
    }
  }

  /** Makes the entry; what has its name already is replaced, but for a directory by a directory. */
  #place(operation: Placed, parent: Directory): void {
    let directory = parent;
    for (let attempt = 1; ; attempt++) {
      try {
        this.#make(operation, directory);
        break;
      } catch (error) {
        if (!isErrno(error, 'EEXIST') || attempt === PLACE_ATTEMPTS) throw error;
      }
      if (this.#settleExisting(operation, directory)) break;
      directory = this.#rootfs.open(operation.parent, 'create');
    }
    this.#target.placed(directory, operation);
  }

  #make(operation: Placed, parent: Directory): void {
    const { name, path, entry } = operation;
    switch (operation.op) {
      case 'file':
        this.#writer.beginFile(parent, name, entry);
        this.#file = operation;
        this.#fileParent = parent;
        return;
      case 'directory':
        this.#writer.makeDirectory(parent, path, name, entry);
        return;
      case 'symlink':
        this.#writer.symlink(parent, name, entry);
        return;
      case 'hardlink':
        this.#makeLink(operation, parent);
        return;
      case 'character-device':
      case 'block-device':
      case 'fifo':
        this.#writer.makeNode(parent, name, entry, NODE_TYPES[operation.op]);
        return;
      default:
        operation satisfies never;
    }
  }

  /** @returns whether what is there is what the entry asks for */
  #settleExisting(operation: Placed, parent: Directory): boolean {
    const existing = this.#system.statAt(parent.descriptor, operation.name);
    let repeated: boolean;
    let settled = false;
    if (operation.op === 'directory' && isDirectory(existing)) {
      repeated = this.#target.meetDirectory(parent, operation, existing);
      this.#writer.replaceAttributes(parent, operation.path, operation.name, operation.entry);
      this.#rootfs.forget(operation.path);
      settled = true;
    } else if (operation.op === 'hardlink' && this.#isSameFile(operation, existing)) {
      repeated = true;
      settled = true;
    } else {
      repeated = this.#target.replace(parent, operation, existing);
    }
    if (repeated)
      this.anomalies.add({ kind: 'duplicate', entry: operation.entry.path, offset: operation.entry.offset });
    return settled;
  }

  #makeLink(operation: Placed & { op: 'hardlink' }, parent: Directory): void {
    const [directory, name] = this.#linkTarget(operation);
    if (directory === undefined) throw this.#noTarget(operation);
    const link = () => this.#system.link(directory.descriptor, name, parent.descriptor, operation.name);
    try {
      if (this.#checkLinkTargets) this.#refuseWhiteout(operation, directory, name);
      link();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        if (!this.#target.findLinkTarget(directory, name)) throw this.#noTarget(operation);
        link();
      } else if (isErrno(error, 'EPERM') && isDirectory(this.#system.statAt(directory.descriptor, name))) {
        throw new OverlayerError(
          'InvalidArgument',
          `hard link target "${displayPath(operation.linkPath)}" is a directory`,
        );
      } else throw error;
    }
  }

  #linkTarget({
    linkPath,
  }: Placed & { op: 'hardlink' }): readonly [directory: Directory | undefined, name: string] {
    const slash = linkPath.lastIndexOf('/');
    const directory = this.#rootfs.open(slash < 0 ? '' : linkPath.slice(0, slash), 'create-if-in-lowers');
    return [directory, linkPath === '' ? '.' : linkPath.slice(slash + 1)];
  }

  #isSameFile(
    operation: Placed & { op: 'hardlink' },
    existing: { readonly mode: number } & Parameters<typeof statId>[0],
  ): boolean {
    const [directory, name] = this.#linkTarget(operation);
    return (
      directory !== undefined && statId(this.#system.statAt(directory.descriptor, name)) === statId(existing)
    );
  }

  /** Linking to a whiteout would make another one. */
  #refuseWhiteout(operation: Placed & { op: 'hardlink' }, directory: Directory, name: string): void {
    const target = this.#system.statAt(directory.descriptor, name);
    if (isWhiteout(this.#system, directory.descriptor, name, target)) throw this.#noTarget(operation);
  }

  #noTarget({ linkPath }: Placed & { op: 'hardlink' }): OverlayerError {
    return new OverlayerError('NotFound', `hard link target "${displayPath(linkPath)}" does not exist`, {
      hint: 'a layer may only link to what it or a lower layer holds: give the lower layers, or unpack them first',
    });
  }

  #implicitDirectory(path: string, created: Directory, like: number | undefined): void {
    if (like === undefined) {
      this.#system.chmod(created.descriptor, IMPLICIT_MODE);
      this.#deferred.setImplicit(created.id, path, EPOCH);
    } else {
      const stat = this.#system.stat(like);
      copyAttributes(this.#system, like, created.descriptor, stat);
      this.#deferred.setImplicit(created.id, path, stat);
    }
    this.#target.implicitDirectory(path, created);
  }

  /** Writing into a directory that the layer does not list leaves its times as they were. */
  #keepTimes(path: string, directory: Directory): void {
    if (!this.#deferred.has(directory.id)) this.#deferred.setImplicit(directory.id, path, directory.stat);
  }
}
