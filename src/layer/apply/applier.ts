import { OverlayerError } from '../../base/errors.js';
import type { Limits } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { WorkBudget } from '../../base/work-budget.js';
import type { DestinationKind } from '../../rootfs/destination.js';
import { type Directory, isDirectory, joinPath, mayBePartOfAPath } from '../../rootfs/directory.js';
import { EntryWriter } from '../../rootfs/entry-writer.js';
import type { FileFinisher } from '../../rootfs/finish-file.js';
import type { Identity } from '../../rootfs/identity.js';
import { KeptDirectories } from '../../rootfs/kept-directories.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import { Rootfs } from '../../rootfs/rootfs.js';
import { fromSystemError } from '../../system/errno-code.js';
import { meterSystem } from '../../system/metered-system.js';
import { relieveSystem } from '../../system/relieved-system.js';
import { isErrno, S, type Stat, type System, SystemError } from '../../system/system.js';
import type { TarEntry, TarSink } from '../../tar/types.js';
import type { FileFactsLog } from '../manifest/file-facts.js';
import { type AnomalyKind, AnomalyLog } from '../plan/anomaly.js';
import type { Operation } from '../plan/operation.js';
import { planEntry } from '../plan/plan.js';
import { atEntry, reliesOnLowers } from './applier-errors.js';
import { DirectoryTarget } from './directory-target.js';
import { HardLinks } from './hard-links.js';
import type { LowersLater, NeedsLowers } from './lowers-later.js';
import { OverlayMarks } from './overlay-marks.js';
import { OverlayTarget } from './overlay-target.js';
import { imageRoot, type OwnerMap, shiftOwners } from './shift-owners.js';
import type { Target } from './target.js';
import { UnlistedDirectories } from './unlisted-directories.js';

/** A name that another process keeps making again: give up after this many. */
const PLACE_ATTEMPTS = 8;

const NODE_TYPES = { 'character-device': S.IFCHR, 'block-device': S.IFBLK, fifo: S.IFIFO } as const;

export interface ApplierOptions {
  readonly target: 'directory' | 'overlay';
  readonly identity: Identity;
  readonly limits: Limits;
  /** What the layer may make us do. @default that of `limits` */
  readonly budget?: WorkBudget | undefined;
  /** Open descriptors of the lower layers' roots, nearest first. */
  readonly lowers: readonly number[];
  /** There will be lower layers, which are not known yet. */
  readonly lowersLater?: LowersLater | undefined;
  readonly destination: DestinationKind;
  /** So many descriptors of directories are kept open. @default as many as are of use */
  readonly maxOpen?: number | undefined;
  /** The umask of this thread is not 0: set each mode by a call of its own. */
  readonly exactModes: boolean;
  /** Files are created here, and finished there. */
  readonly finisher: FileFinisher;
  /** Whose the entries are on this host. @default as they say */
  readonly owners?: OwnerMap | undefined;
  /** Gets the facts of the files, which the finisher tells. */
  readonly facts?: FileFactsLog | undefined;
}

type Placed = Parameters<Target['replace']>[1];

/** Puts a layer's entries into a root file system: the decoder's sink. Call `finish`, and `close` in any case. */
export class Applier implements TarSink {
  readonly anomalies = new AnomalyLog();
  whiteouts = 0;
  /** Whether there was an entry for the root. */
  listsRoot = false;
  needsLowers: NeedsLowers | undefined;
  readonly #system: System;
  readonly #limits: Limits;
  readonly #budget: WorkBudget;
  readonly #directories: KeptDirectories;
  readonly #rootfs: Rootfs;
  readonly #target: Target;
  readonly #writer: EntryWriter;
  readonly #unlisted: UnlistedDirectories;
  readonly #links: HardLinks;
  readonly #lowersLater: LowersLater | undefined;
  readonly #owners: OwnerMap | undefined;
  #entry: TarEntry | undefined;
  /** The file being written, and the directory it is in. */
  #file: Placed | undefined;
  #fileParent: Directory | undefined;

  constructor(system: System, root: number, options: ApplierOptions) {
    const { identity, limits, lowers, destination, owners } = options;
    const budget = options.budget ?? new WorkBudget(limits, { lowers: lowers.length });
    this.#budget = budget;
    this.#system = relieveSystem(meterSystem(system, budget), () => {
      options.finisher.finish();
      this.#rootfs.closeIdle();
    });
    this.#limits = limits;
    this.#owners = owners;
    this.#lowersLater = options.lowersLater;
    const directories = new KeptDirectories(this.#system, identity, budget, {
      seesAcls: destination !== 'new' || lowers.length > 0,
    });
    this.#directories = directories;
    this.#rootfs = this.#run(
      () =>
        new Rootfs(
          this.#system,
          root,
          lowers,
          {
            implicitDirectory: (created, like) => this.#implicitDirectory(created, like),
            opened: (directory) => directories.opened(directory),
            closing: (directory) => directories.closing(directory),
            refused: (parent, name) => directories.refused(parent, name),
            blocked: (parent, name, stat, path) => this.#target.blocked(parent, name, stat, path),
            step: () => budget.charge(),
          },
          options.maxOpen,
        ),
    );
    const rootfs = () => this.#rootfs;
    const add = (kind: AnomalyKind, entry: TarEntry, detail?: string) =>
      this.anomalies.add({ kind, entry: entry.path, offset: entry.offset, detail });
    const onRefusedOwner = identity.rootless
      ? () =>
          this.anomalies.add({
            kind: 'ownership-ignored',
            entry: this.#entry?.path,
            offset: this.#entry?.offset,
          })
      : undefined;
    this.#target =
      options.target === 'overlay'
        ? new OverlayTarget(rootfs, directories, budget, {
            marks: new OverlayMarks(this.#system, budget, identity.rootless, (entry) =>
              add('whiteout-as-attribute', entry),
            ),
            uid: identity.uid,
            onRefusedOwner,
            hasLowers: lowers.length > 0,
            needsLowers: (what) => this.#needLowers(what, 'directories'),
          })
        : new DirectoryTarget(rootfs, directories, budget, {
            uid: identity.uid,
            hasLower: destination === 'merge',
          });
    const { finisher, facts } = options;
    this.#links = new HardLinks(this.#rootfs, this.#target, {
      finisher,
      facts,
      mayMeetWhiteouts: options.target === 'overlay',
      needsLowers: (what) => this.#needLowers(what, 'links'),
    });
    const writing = {
      exactModes: options.exactModes,
      privateRoot: destination === 'new',
      finisher,
      checksums: facts !== undefined,
      imageRoot: imageRoot(owners),
    };
    this.#writer = new EntryWriter(this.#system, identity, directories, writing, add);
    this.#unlisted = new UnlistedDirectories(this.#system, { identity, owners, directories, onRefusedOwner });
    this.#run(() => this.#unlisted.beginRoot(this.#rootfs.root, destination, lowers[0]));
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    this.#budget.begin(entry);
    this.#budget.charge(1 + (entry.xattrs?.size ?? 0));
    const operation = planEntry(entry, this.#limits, (anomaly) => this.anomalies.add(anomaly));
    if (operation !== undefined) this.#run(() => this.#apply(operation));
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#file === undefined) return;
    this.#run(() => this.#writer.data(bytes, start, end, position));
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
    this.#run(() => {
      this.#rootfs.finish();
      this.#directories.closing(this.#rootfs.root);
    });
  }

  close(): void {
    this.#run(() => {
      this.#writer.abandonFile();
      this.#rootfs.close();
    });
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof SystemError)
        throw fromSystemError(error, this.#entry ?? 'Cannot unpack the layer');
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
      default: {
        const placed = this.#shifted(operation);
        if (placed.path === '') {
          this.listsRoot = true;
          this.#writer.replaceRootAttributes(this.#rootfs.root, placed.entry);
        } else this.#placeIn(this.#rootfs.open(placed.parent, 'create'), placed);
      }
    }
  }

  /** With the owner that it has on this host. A hard link has its target's. */
  #shifted(operation: Placed): Placed {
    if (this.#owners === undefined || operation.op === 'hardlink') return operation;
    return { ...operation, entry: shiftOwners(operation.entry, this.#owners) };
  }

  #placeIn(parent: Directory, operation: Placed): void {
    this.#rootfs.beginUse(parent);
    try {
      this.#place(operation, parent);
    } finally {
      this.#rootfs.endUse();
    }
  }

  /** Makes the entry; what has its name already is replaced, but for a directory by a directory. */
  #place(operation: Placed, parent: Directory): void {
    let pathsChanged = false;
    let isThere = true;
    for (let attempt = 1; ; attempt++) {
      try {
        isThere = this.#make(operation, parent);
        break;
      } catch (error) {
        if (!isErrno(error, 'EEXIST') || attempt === PLACE_ATTEMPTS) throw error;
      }
      const existing = statIfThere(this.#system, parent.descriptor, operation.name);
      if (existing === undefined) continue;
      if (this.#settleExisting(operation, parent, existing)) break;
      pathsChanged ||= mayBePartOfAPath(existing);
    }
    // A symlink of a lower layer is hidden by it.
    pathsChanged ||= parent.lowers.length > 0 && this.#rootfs.hasFollowed(joinPath(parent, operation.name));
    // Before the target has its say: it may forget `parent`, too.
    if (isThere) this.#target.placed(parent, operation);
    else pathsChanged = this.#leaveOut(operation, parent) || pathsChanged;
    if (pathsChanged) this.#rootfs.forgetAll();
  }

  /** @returns false for what may not be made here, and is left out */
  #make(operation: Placed, parent: Directory): boolean {
    const { name, entry } = operation;
    switch (operation.op) {
      case 'file':
        this.#writer.beginFile(parent, name, entry);
        this.#file = operation;
        this.#fileParent = parent;
        return true;
      case 'directory':
        this.#writer.makeDirectory(parent, name, entry);
        return true;
      case 'symlink':
        this.#writer.symlink(parent, name, entry);
        return true;
      case 'hardlink':
        this.#links.make(operation, parent);
        return true;
      case 'character-device':
      case 'block-device':
      case 'fifo':
        return this.#writer.makeNode(parent, name, entry, NODE_TYPES[operation.op]);
      default:
        return operation satisfies never;
    }
  }

  /** What may not be made here replaces what has its name all the same. @returns whether paths may have led through that */
  #leaveOut(operation: Placed, parent: Directory): boolean {
    const existing = statIfThere(this.#system, parent.descriptor, operation.name);
    if (existing !== undefined) this.#settleExisting(operation, parent, existing);
    this.#target.leftOut(parent, operation);
    return existing !== undefined && mayBePartOfAPath(existing);
  }

  /** @returns whether what is there is what the entry asks for */
  #settleExisting(operation: Placed, parent: Directory, existing: Stat): boolean {
    let repeated: boolean;
    let settled = false;
    if (operation.op === 'directory' && isDirectory(existing)) {
      repeated = this.#target.meetDirectory(parent, operation, existing);
      this.#rootfs.forget(joinPath(parent, operation.name));
      this.#writer.replaceAttributes(parent, operation.name, operation.entry);
      settled = true;
    } else if (operation.op === 'hardlink' && this.#links.isMade(operation, parent, existing)) {
      repeated = true;
      settled = true;
    } else {
      repeated = this.#target.replace(parent, operation, existing);
    }
    if (repeated)
      this.anomalies.add({ kind: 'duplicate', entry: operation.entry.path, offset: operation.entry.offset });
    return settled;
  }

  /** @returns whether there will be lower layers, which is noted then */
  #needLowers(what: string, need: NeedsLowers): boolean {
    if (this.#lowersLater === undefined) return false;
    if (this.#lowersLater === 'refuse') throw reliesOnLowers(what);
    if (this.needsLowers !== 'links') this.needsLowers = need;
    return true;
  }

  #implicitDirectory(created: Directory, like: number | undefined): void {
    if (like === undefined && this.#lowersLater !== undefined)
      this.#needLowers(`directory "${displayPath(created.path)}"`, 'directories');
    this.#unlisted.made(created, like);
    this.#target.implicitDirectory(created);
  }
}
