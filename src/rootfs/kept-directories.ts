import { displayPath } from '../base/path-bytes.js';
import type { WorkBudget } from '../base/work-budget.js';
import { fromSystemError } from '../system/errno-code.js';
import { type System, SystemError, type Times } from '../system/system.js';
import { type Directory, restoreTimes, statId } from './directory.js';
import { IdSet } from './id-set.js';
import { type Identity, isShut } from './identity.js';
import { DEFAULT_ACL } from './xattrs.js';

const OWNER_ALL = 0o700;
const PERMISSIONS = 0o7777;

/** Attributes that a directory gets back when it is closed. */
interface Kept {
  readonly times: Times;
  /** It never had these times. */
  readonly isNew: boolean;
  /** The mode, if it was changed to give access meanwhile. */
  readonly mode: number | undefined;
  /** The default ACL, which new files would inherit. */
  readonly defaultAcl: Uint8Array | undefined;
}

/**
 * Makes open directories writable, and restores their times, modes and default ACLs when they are closed. The attributes of
 * open directories only are kept in memory, so memory does not grow with the number or order of a layer's directories. A
 * directory that is opened again has its right attributes.
 */
export class KeptDirectories {
  readonly #system: System;
  readonly #identity: Identity;
  /** Attributes of open directories, by path. */
  readonly #kept = new Map<string, Kept>();
  /** Directories that have an entry in the layer. */
  readonly #listed: IdSet;
  /** Original modes of directories that were made accessible and are about to be opened. */
  readonly #letIn = new Map<string, number>();
  /** Some directory may have a default ACL. */
  #seesAcls: boolean;
  #inherits = false;

  /** @param options `seesAcls`: directories that the layer does not list may have default ACLs */
  constructor(
    system: System,
    identity: Identity,
    budget: WorkBudget,
    options: { readonly seesAcls: boolean },
  ) {
    this.#system = system;
    this.#identity = identity;
    this.#listed = new IdSet((bytes) => budget.keep(bytes));
    this.#seesAcls = options.seesAcls;
  }

  /** Whether new files may inherit an ACL, and so another mode, from a directory without an entry in the layer. */
  get inherits(): boolean {
    return this.#inherits;
  }

  isListed(id: string): boolean {
    return this.#listed.has(id);
  }

  /** An entry has given the directory its attributes. */
  list(id: string, hasDefaultAcl: boolean): void {
    this.#listed.add(id);
    this.#letIn.delete(id);
    this.#seesAcls ||= hasDefaultAcl;
  }

  /** The directory was removed: the file system may reuse its inode. */
  readonly delete = (id: string): void => {
    this.#listed.delete(id);
  };

  /**
   * Prepares an opened directory for writing.
   *
   * @param isPrivate deny access to all other users meanwhile
   * @param times those that it is to get; undefined when it has them
   */
  opened(directory: Directory, isPrivate = false, times?: Times): void {
    const { stat, descriptor, id, path } = directory;
    const found = stat.mode & PERMISSIONS;
    const given = this.#letIn.get(id);
    const isChanged = isPrivate || isShut(stat, this.#identity.uid);
    if (isChanged) this.#system.chmod(descriptor, isPrivate ? OWNER_ALL : found | OWNER_ALL);
    this.#letIn.delete(id);
    const mode = given ?? (isChanged ? found : undefined);
    const defaultAcl = this.#withholdAcl(directory);
    this.#kept.set(path, { times: times ?? stat, isNew: times !== undefined, mode, defaultAcl });
  }

  /**
   * Makes a directory accessible whose mode denies access.
   * @returns whether it is accessible now
   */
  refused(parent: Directory, name: string): boolean {
    const stat = this.#system.statAt(parent.descriptor, name);
    if (!isShut(stat, this.#identity.uid)) return false;
    this.#letIn.set(statId(stat), stat.mode & PERMISSIONS);
    this.#system.chmodAt(parent.descriptor, name, (stat.mode & PERMISSIONS) | OWNER_ALL);
    return true;
  }

  /** Restores a directory before it is closed. @throws OverlayerError */
  closing(directory: Directory): void {
    const kept = this.#kept.get(directory.path);
    if (kept === undefined) return;
    this.#kept.delete(directory.path);
    try {
      this.#restore(directory.descriptor, kept);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw fromSystemError(error, `Cannot set the attributes of directory "${displayPath(directory.path)}"`);
    }
  }

  #restore(descriptor: number, { times, isNew, mode, defaultAcl }: Kept): void {
    if (defaultAcl !== undefined) this.#system.setXattr(descriptor, DEFAULT_ACL, defaultAcl);
    if (mode !== undefined) this.#system.chmod(descriptor, mode);
    if (isNew) this.#system.setTimes(descriptor, times);
    else restoreTimes(this.#system, descriptor, times);
  }

  /** Removes the default ACL of a directory with an entry in the layer. Other directories pass theirs on to new files. */
  #withholdAcl({ descriptor, id }: Directory): Uint8Array | undefined {
    if (!this.#seesAcls) return undefined;
    const acl = this.#system.getXattr(descriptor, DEFAULT_ACL);
    if (acl === undefined) return undefined;
    if (!this.isListed(id)) {
      this.#inherits = true;
      return undefined;
    }
    this.#system.removeXattr(descriptor, DEFAULT_ACL);
    return acl;
  }
}
