import { isErrno, type Times } from '../system/system.js';
import type { Rootfs } from './rootfs.js';
import { DEFAULT_ACL } from './xattrs.js';

/** What a directory gets only once everything in it is done. */
interface Deferred {
  readonly path: string;
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

  setImplicit(id: string, path: string, times: Times): void {
    this.#byId.set(id, { path, times, mode: undefined, defaultAcl: undefined, listed: false });
  }

  /** It was removed; its identity may be given to another. */
  delete(id: string): void {
    this.#byId.delete(id);
  }

  apply(rootfs: Rootfs): void {
    const { system } = rootfs;
    // Children before parents: a parent's mode may shut us out. Siblings together: one descriptor serves them.
    const all = [...this.#byId.values()].sort((a, b) => (a.path < b.path ? 1 : -1));
    for (const { path, times, mode, defaultAcl } of all) {
      if (path === '' || mode !== undefined || defaultAcl !== undefined) {
        const directory = rootfs.open(path, 'leave');
        if (directory === undefined) continue;
        if (defaultAcl !== undefined) system.setXattr(directory.descriptor, DEFAULT_ACL, defaultAcl);
        if (mode !== undefined) system.chmod(directory.descriptor, mode);
        system.setTimes(directory.descriptor, times);
        continue;
      }
      const slash = path.lastIndexOf('/');
      const parent = rootfs.open(path.slice(0, Math.max(slash, 0)), 'leave');
      if (parent !== undefined) setTimesIfThere(rootfs, parent.descriptor, path.slice(slash + 1), times);
    }
  }
}

function setTimesIfThere(rootfs: Rootfs, directory: number, name: string, times: Times): void {
  try {
    rootfs.system.setTimesAt(directory, name, times);
  } catch (error) {
    // A path that was a directory's can lead nowhere once a symlink on it has been replaced.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
