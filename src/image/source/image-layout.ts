import { existsSync, openSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { closeQuietly } from '../../rootfs/directory.js';
import { fromSystemError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, asSystemError, isErrno, O, S, type System } from '../../system/system.js';
import { explained } from './explained.js';
import type { ImageSource } from './image-source.js';
import { knownDirectory } from './known-directories.js';
import { LAYOUT_FILE, readLayout } from './layout-images.js';
import type { OpenImagesOptions } from './open-image-layout.js';
import type { StoredFile } from './stored-file.js';
import { StoredImageSource } from './stored-images.js';

/** See `openImageLayout`. */
export async function readImageLayout(
  directory: string,
  { names, signal }: OpenImagesOptions,
): Promise<ImageSource> {
  signal?.throwIfAborted();
  const files = new LayoutDirectory(openLinuxSystem(), directory);
  try {
    const stored = await explained(directory, async () => {
      if (files.find(LAYOUT_FILE) === undefined) throw notALayout(directory);
      return await readLayout((name) => files.find(name));
    });
    return await StoredImageSource.open(directory, stored, names, async () => files.close());
  } catch (error) {
    files.close();
    throw error;
  }
}

function notALayout(directory: string): OverlayerError {
  const known = knownDirectory((name) => existsSync(join(directory, name)));
  const what = known === undefined ? '' : `: it is ${known.what}`;
  return new OverlayerError('InvalidArgument', `Not an OCI layout, which has a file ${LAYOUT_FILE}${what}`, {
    hint: known?.hint,
  });
}

/**
 * The files below a directory, each found by descriptors and without following a symlink, so that nothing outside is
 * ever read. What was found stays open, and is read through its descriptor: it is the same file then.
 */
class LayoutDirectory {
  readonly #system: System;
  readonly #path: string;
  readonly #root: number;
  readonly #files = new Map<string, StoredFile & { readonly descriptor: number }>();

  /** @throws OverlayerError `NotFound`, `PermissionDenied`, `InvalidArgument` */
  constructor(system: System, path: string) {
    this.#system = system;
    this.#path = path;
    try {
      this.#root = system.openAt(AT_FDCWD, realpathSync(path), O.PATH | O.DIRECTORY, 0);
    } catch (cause) {
      const error = asSystemError(cause, path);
      if (isErrno(error, 'ENOENT'))
        throw new OverlayerError('NotFound', `Image layout "${path}" does not exist`, { cause });
      if (isErrno(error, 'ENOTDIR'))
        throw new OverlayerError('InvalidArgument', `Image layout "${path}" is not a directory`, { cause });
      throw this.#failure(error);
    }
  }

  /** @throws OverlayerError `InvalidArgument` for a symlink, or anything else that is no file */
  find(name: string): StoredFile | undefined {
    const found = this.#files.get(name);
    if (found !== undefined) return found;
    try {
      const descriptor = this.#open(this.#root, name.split('/'));
      const length = this.#system.stat(descriptor).size;
      const file = { descriptor, bytes: { path: `/proc/self/fd/${descriptor}`, offset: 0, length } };
      this.#files.set(name, file);
      return file;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw this.#failure(error);
    }
  }

  close(): void {
    for (const { descriptor } of this.#files.values()) closeQuietly(this.#system, descriptor);
    this.#files.clear();
    closeQuietly(this.#system, this.#root);
  }

  #open(directory: number, [name = '', ...rest]: readonly string[]): number {
    // With O_PATH nothing is opened yet: neither a device nor a FIFO hears of it.
    const descriptor = this.#system.openAt(directory, name, O.PATH | O.NOFOLLOW, 0);
    try {
      const isFile = rest.length === 0;
      this.#checkType(descriptor, name, isFile ? 'file' : 'directory');
      return isFile ? openSync(`/proc/self/fd/${descriptor}`, 'r') : this.#open(descriptor, rest);
    } finally {
      closeQuietly(this.#system, descriptor);
    }
  }

  #checkType(descriptor: number, name: string, wanted: 'file' | 'directory'): void {
    const type = this.#system.stat(descriptor).mode & S.IFMT;
    if (type === (wanted === 'file' ? S.IFREG : S.IFDIR)) return;
    throw new OverlayerError(
      'InvalidArgument',
      `"${name}" is not a ${wanted}`,
      type === S.IFLNK ? { hint: 'symlinks are not followed: copy the layout with cp -rL' } : {},
    );
  }

  #failure(error: unknown): OverlayerError {
    if (OverlayerError.is(error)) return error;
    return fromSystemError(asSystemError(error, this.#path), `Cannot read image layout "${this.#path}"`);
  }
}
