import { OverlayerError } from '../../base/errors.js';
import type { WorkBudget } from '../../base/work-budget.js';
import type { Directory } from '../../rootfs/directory.js';
import { IdSet } from '../../rootfs/id-set.js';
import { isErrno, O, S, type System, type SystemError } from '../../system/system.js';
import type { TarEntry } from '../../tar/types.js';

const NOTHING = new Uint8Array(0);
const OPAQUE = Buffer.from('y');
const HAS_XATTR_WHITEOUTS = Buffer.from('x');

/** Errors of the kernel, a security module or a filesystem that may not make a device. */
const NO_DEVICES = ['EPERM', 'EACCES', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/**
 * Writes overlayfs's marks (kernel documentation, overlayfs.rst, "whiteouts and opaque directories").
 *
 * A whiteout is a character device 0:0, which every user may make since Linux 5.8. When that is refused without
 * privileges, it is an empty file with an attribute (Linux 6.7). The attribute form is the last resort: overlayfs
 * takes such a whiteout for a file when a mount removes or renames its directory, and refuses both.
 */
export class OverlayMarks {
  readonly #system: System;
  readonly #rootless: boolean;
  readonly #prefix: 'trusted.overlay.' | 'user.overlay.';
  readonly #onAttribute: (entry: TarEntry) => void;
  #devicesRefused = false;
  /**
   * Ids of directories that are marked as having whiteouts, and of those marked as having whiteouts in attribute
   * form.
   */
  readonly #marked: IdSet;
  readonly #markedForAttributes: IdSet;

  /** @param onAttribute called for each whiteout that had to be an attribute */
  constructor(system: System, budget: WorkBudget, rootless: boolean, onAttribute: (entry: TarEntry) => void) {
    this.#system = system;
    this.#marked = new IdSet((bytes) => budget.keep(bytes));
    this.#markedForAttributes = new IdSet((bytes) => budget.keep(bytes));
    this.#rootless = rootless;
    this.#prefix = rootless ? 'user.overlay.' : 'trusted.overlay.';
    this.#onAttribute = onAttribute;
  }

  /** @param entry the entry that causes it */
  whiteout(directory: Directory, name: string, entry: TarEntry): void {
    this.#markOrigin(directory);
    if (this.#makeDevice(directory.descriptor, name)) return;
    this.#markForAttributes(directory);
    this.#makeFile(directory.descriptor, name);
    this.#onAttribute(entry);
  }

  /** Hides the contents that lower layers have in the directory. */
  opaque(directory: number): void {
    this.#set(directory, 'opaque', OPAQUE);
  }

  /** Call it when a directory was removed: the filesystem may give its inode to another. */
  forget(id: string): void {
    this.#marked.delete(id);
    this.#markedForAttributes.delete(id);
  }

  /** @returns false when only root may make it */
  #makeDevice(directory: number, name: string): boolean {
    if (this.#devicesRefused) return false;
    try {
      this.#system.makeNode(directory, name, S.IFCHR, 0, 0);
      return true;
    } catch (error) {
      if (!this.#rootless || !isErrno(error, ...NO_DEVICES)) throw error;
      this.#devicesRefused = true;
      return false;
    }
  }

  #makeFile(directory: number, name: string): void {
    const file = this.#system.openAt(directory, name, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    try {
      this.#set(file, 'whiteout', OPAQUE);
    } finally {
      this.#system.close(file);
    }
  }

  /**
   * overlayfs hides the whiteouts of a directory only if it has an `origin` attribute; an empty value means that the
   * origin is unknown. Without it, a whiteout that hides nothing would be listed.
   */
  #markOrigin({ id, descriptor }: Directory): void {
    if (this.#marked.has(id)) return;
    this.#marked.add(id);
    this.#set(descriptor, 'origin', NOTHING);
  }

  /** overlayfs looks for whiteouts in attribute form only in directories with this mark. */
  #markForAttributes({ id, descriptor }: Directory): void {
    if (this.#markedForAttributes.has(id)) return;
    this.#markedForAttributes.add(id);
    this.#set(descriptor, 'opaque', HAS_XATTR_WHITEOUTS);
  }

  #set(descriptor: number, mark: 'origin' | 'opaque' | 'whiteout', value: Uint8Array): void {
    const name = `${this.#prefix}${mark}`;
    try {
      this.#system.setXattr(descriptor, name, value);
    } catch (error) {
      if (isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) throw withoutAttributes(name, error);
      throw error;
    }
  }
}

function withoutAttributes(name: string, cause: SystemError): OverlayerError {
  const what = `the file system has no extended attributes (${name}), which a layer in overlay form needs`;
  return new OverlayerError('FailedPrecondition', what, {
    hint: 'choose another file system, or unpack into a plain directory (target "directory")',
    errno: cause.errno,
    cause,
  });
}
