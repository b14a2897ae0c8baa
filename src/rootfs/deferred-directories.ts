import { OverlayerError } from '../base/errors.js';
import { fromSystemError } from '../system/errno-code.js';
import { SystemError, type Times } from '../system/system.js';
import { type Directory, isDirectory, statId } from './directory.js';
import { statIfThere } from './lower-layers.js';
import type { Rootfs } from './rootfs.js';
import { DEFAULT_ACL } from './xattrs.js';

/** What a directory gets only once everything in it is done. */
interface Deferred {
  readonly path: string;
  /** For errors: the entry that asks for it. */
  readonly entry: { readonly path: string; readonly offset: number } | undefined;
  readonly times: Times;
  /** A mode that would have kept its own owner out meanwhile. */
  readonly mode: number | undefined;
  readonly defaultAcl: Uint8Array | undefined;
  /** Whether the layer has an entry for it, rather than only for something in it. */
  readonly listed: boolean;
}

/**
 * Directories' times, which writing into them changes, and what else would be in the way while it goes on.
 * By identity, so that a directory reached through two paths has one record.
 */
export class DeferredDirectories {
  readonly #byId = new Map<string, Deferred>();

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  isListed(id: string): boolean {
    return this.#byId.get(id)?.listed === true;
  }

  set(id: string, deferred: Omit<Deferred, 'listed'>): void {
    this.#byId.set(id, { ...deferred, listed: true });
  }

  setImplicit(id: string, path: string, times: Times, mode?: number): void {
    this.#byId.set(id, { path, entry: undefined, times, mode, defaultAcl: undefined, listed: false });
  }

  /** It was removed; its identity may be given to another. */
  readonly delete = (id: string): void => {
    this.#byId.delete(id);
  };

  apply(rootfs: Rootfs): void {
    // Children before parents: a parent's mode may shut us out. Siblings together: one descriptor serves them.
    const all = [...this.#byId].sort(([, a], [, b]) => (a.path < b.path ? 1 : -1));
    for (const [id, deferred] of all)
      if (!applyByName(rootfs, id, deferred)) applyByDescriptor(rootfs, id, deferred);
  }
}

/** Two calls where only the times are wanted, and its name is still its own. */
function applyByName(rootfs: Rootfs, id: string, { path, times, mode, defaultAcl }: Deferred): boolean {
  if (path === '' || mode !== undefined || defaultAcl !== undefined) return false;
  const slash = path.lastIndexOf('/');
  const parent = openIfThere(rootfs, path.slice(0, Math.max(slash, 0)));
  if (parent === undefined) return true;
  const name = path.slice(slash + 1);
  const stat = statIfThere(rootfs.system, parent.descriptor, name);
  if (stat === undefined || !isDirectory(stat) || statId(stat) !== id) return false;
  rootfs.system.setTimesAt(parent.descriptor, name, times);
  return true;
}

/** Where the path leads now may be elsewhere, or nowhere: symlinks on it can have been replaced. */
function applyByDescriptor(
  rootfs: Rootfs,
  id: string,
  { path, entry, times, mode, defaultAcl }: Deferred,
): void {
  const { system } = rootfs;
  const directory = openIfThere(rootfs, path);
  if (directory === undefined || directory.id !== id) return;
  try {
    if (defaultAcl !== undefined) system.setXattr(directory.descriptor, DEFAULT_ACL, defaultAcl);
  } catch (error) {
    if (error instanceof SystemError && entry !== undefined) throw fromSystemError(error, entry);
    throw error;
  }
  if (mode !== undefined) system.chmod(directory.descriptor, mode);
  system.setTimes(directory.descriptor, times);
}

function openIfThere(rootfs: Rootfs, path: string): Directory | undefined {
  try {
    return rootfs.open(path, 'leave');
  } catch (error) {
    // Symlinks that have come to go in a circle.
    if (OverlayerError.is(error) && error.code === 'InvalidArgument') return undefined;
    throw error;
  }
}
