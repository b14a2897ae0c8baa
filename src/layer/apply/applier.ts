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
import { atEntry } from './applier-errors.js';
import { DirectoryTarget } from './directory-target.js';
import { HardLinks } from './hard-links.js';
import { type LowersLater, LowersNeed, type NeedsLowers } from './lowers-later.js';
import { OverlayMarks } from './overlay-marks.js';
import { OverlayTarget } from './overlay-target.js';
import { imageRoot, type OwnerMap, shiftOwners } from './shift-owners.js';
import type { Target } from './target.js';
import { UnlistedDirectories } from './unlisted-directories.js';

/** How often a name is freed that another process makes again. */
const PLACE_ATTEMPTS = 8;

const NODE_TYPES = { 'character-device': S.IFCHR, 'block-device': S.IFBLK, fifo: S.IFIFO } as const;

interface ApplierOptions {
  readonly target: 'directory' | 'overlay';
  readonly identity: Identity;
  readonly limits: Limits;
  /** Limits the work that the layer causes. @default a budget of `limits` */
  readonly budget?: WorkBudget | undefined;
  /** Open descriptors of the lower layers' roots, nearest first. */
  readonly lowers: readonly number[];
  /** Set when lower layers exist that are not known yet. */
  readonly lowersLater?: LowersLater | undefined;
  readonly destination: DestinationKind;
  /** How many descriptors of directories may stay open. @default no limit of its own */
  readonly maxOpen?: number | undefined;
  /** Set when this thread's umask is not 0: every mode then takes a call of its own. */
  readonly exactModes: boolean;
  /** Finishes the files that the applier has created. */
  readonly finisher: FileFinisher;
  /** Maps the entries' owners to ids of this host. @default owners as the entries have them */
  readonly owners?: OwnerMap | undefined;
  /** Collects facts about the files. */
  readonly facts?: FileFactsLog | undefined;
}

type Placed = Parameters<Target['replace']>[1];

/**
 * Puts the entries of a layer into a root filesystem. It is the decoder's sink.
 *
 * Call `finish` after the last entry, and `close` in any case.
 */
export class Applier implements TarSink {
  readonly anomalies = new AnomalyLog();
  whiteouts = 0;
  /** Whether the layer has an entry for the root. */
  listsRoot = false;
  readonly #system: System;
  readonly #limits: Limits;
  readonly #budget: WorkBudget;
  readonly #directories: KeptDirectories;
  readonly #rootfs: Rootfs;
  readonly #target: Target;
  readonly #writer: EntryWriter;
  readonly #unlisted: UnlistedDirectories;
  readonly #links: HardLinks;
  readonly #need: LowersNeed;
  readonly #owners: OwnerMap | undefined;
  #entry: TarEntry | undefined;
  /** The file that is being written, and its directory. */
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
    this.#need = new LowersNeed(options.lowersLater);
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
            opened: (directory, times) => directories.opened(directory, false, times),
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
            needsLowers: (what) => this.#need.note(() => what, 'directories'),
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
      needsLowers: (what) => this.#need.note(() => what, 'links'),
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

  get needsLowers(): NeedsLowers | undefined {
    return this.#need.need;
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

  /** Call it after the last entry: it does what needs all entries. */
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

  /** Maps the entry's owner to this host. A hard link has its target's owner. */
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

  /** Makes the entry. It replaces what has its name, except that a directory keeps an existing directory. */
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
    // It hides a symlink of a lower layer, through which paths may have led.
    pathsChanged ||= parent.lowers.length > 0 && this.#rootfs.hasFollowed(joinPath(parent, operation.name));
    // `placed` may open the new directory by its path, which must not lead through what was replaced.
    if (pathsChanged) this.#rootfs.forgetAll();
    if (isThere) this.#target.placed(parent, operation);
    else if (this.#leaveOut(operation, parent)) this.#rootfs.forgetAll();
  }

  /** @returns false when the process may not make it; it is then left out */
  #make(operation: Placed, parent: Directory): boolean {
    const { name, entry } = operation;
    switch (operation.op) {
      case 'file':
        this.#writer.beginFile(parent, name, entry);
        this.#file = operation;
        this.#fileParent = parent;
        return true;
      case 'directory':
        this.#rootfs.adopt(parent, name, this.#writer.makeDirectory(parent, name, entry));
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

  /**
   * An entry that is left out replaces what has its name all the same.
   *
   * @returns whether paths may have led through what it replaces
   */
  #leaveOut(operation: Placed, parent: Directory): boolean {
    const existing = statIfThere(this.#system, parent.descriptor, operation.name);
    if (existing !== undefined) this.#settleExisting(operation, parent, existing);
    this.#target.leftOut(parent, operation);
    return existing !== undefined && mayBePartOfAPath(existing);
  }

  /** @returns whether what is there already is what the entry asks for */
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

  #implicitDirectory(created: Directory, like: number | undefined): void {
    if (like === undefined) this.#need.note(() => `directory "${displayPath(created.path)}"`, 'directories');
    this.#unlisted.made(created, like);
    this.#target.implicitDirectory(created);
  }
}
