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

/** What a directory has to be again when nothing is written into it any more. */
interface Kept {
  readonly times: Times;
  /** A mode that would keep its own owner out meanwhile. */
  readonly mode: number | undefined;
  /** What is made in the directory would inherit it. */
  readonly defaultAcl: Uint8Array | undefined;
}

/**
 * Lets a directory be written into while it is open, and leaves it as it was found: its times, which writing changes,
 * and what would be in the way. So all that waits for the end of a layer is what its open directories were, however many
 * it lists and in whatever order; one that is opened again says itself what it has to be.
 */
export class KeptDirectories {
  readonly #system: System;
  readonly #identity: Identity;
  /** By path, of those that are open. */
  readonly #kept = new Map<string, Kept>();
  /** Those that the layer has an entry for, rather than only for something in them. */
  readonly #listed: IdSet;
  /** Directories that were let in by their names, and are about to be opened. */
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

  /** What is made may get attributes from a directory that this layer does not list, and a mode that nobody asked for. */
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

  /** It was removed; its identity may be given to another. */
  readonly delete = (id: string): void => {
    this.#listed.delete(id);
  };

  /**
   * A directory has been opened, and may be written into.
   *
   * @param isPrivate nobody else may enter it meanwhile
   */
  opened(directory: Directory, isPrivate = false): void {
    const { stat, descriptor, id, path } = directory;
    const found = stat.mode & PERMISSIONS;
    const given = this.#letIn.get(id);
    const isChanged = isPrivate || isShut(stat, this.#identity.uid);
    if (isChanged) this.#system.chmod(descriptor, isPrivate ? OWNER_ALL : found | OWNER_ALL);
    this.#letIn.delete(id);
    const mode = given ?? (isChanged ? found : undefined);
    this.#kept.set(path, { times: stat, mode, defaultAcl: this.#withholdAcl(directory) });
  }

  /**
   * A directory does not let us open it, or look into it.
   * @returns whether it does now
   */
  refused(parent: Directory, name: string): boolean {
    const stat = this.#system.statAt(parent.descriptor, name);
    if (!isShut(stat, this.#identity.uid)) return false;
    this.#letIn.set(statId(stat), stat.mode & PERMISSIONS);
    this.#system.chmodAt(parent.descriptor, name, (stat.mode & PERMISSIONS) | OWNER_ALL);
    return true;
  }

  /** It is about to be closed, and nothing more is written into it. @throws OverlayerError */
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

  #restore(descriptor: number, { times, mode, defaultAcl }: Kept): void {
    if (defaultAcl !== undefined) this.#system.setXattr(descriptor, DEFAULT_ACL, defaultAcl);
    if (mode !== undefined) this.#system.chmod(descriptor, mode);
    restoreTimes(this.#system, descriptor, times);
  }

  /** Of a directory that the layer lists. Others hand theirs down, as they do to whatever is made in them. */
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
