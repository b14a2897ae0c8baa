import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { withContext } from '../base/with-context.js';
import { fromSystemError, toOverlayerError } from '../system/errno-code.js';
import { AT_FDCWD, asSystemError, isErrno, type System, SystemError } from '../system/system.js';
import { closeQuietly, OPEN_DIRECTORY } from './directory.js';
import { openParent, openStaged, realParent, removeDead, stagingName, withClosing } from './staging.js';
import { takeBack } from './trees/remove-tree.js';
import { ACCESS_ACL, DEFAULT_ACL } from './xattrs.js';

/**
 * - `new`: the path does not exist; the tree is made beside it, and renamed when it is complete
 * - `empty`: an empty directory is filled in place, since it may be a mount point, and emptied after a failure
 * - `merge`: an existing tree is changed in place, and stays changed after a failure
 */
export type DestinationKind = 'new' | 'empty' | 'merge';

/** The directory that an unpack fills. End it with `commit` or `discard`, which close it. */
export class Destination {
  readonly kind: DestinationKind;
  /** The directory to write into. */
  readonly descriptor: number;
  readonly #system: System;
  readonly #parent: number;
  /** Path of the directory `#parent`. */
  readonly #parentPath: string;
  readonly #name: string;
  #staging: string;

  constructor(
    system: System,
    kind: DestinationKind,
    parent: { readonly descriptor: number; readonly path: string },
    name: string,
    staging: string,
    descriptor: number,
  ) {
    this.#system = system;
    this.kind = kind;
    this.#parent = parent.descriptor;
    this.#parentPath = parent.path;
    this.#name = name;
    this.#staging = staging;
    this.descriptor = descriptor;
  }

  /**
   * @param notEmpty the hint when a destination is refused because it is not empty
   * @throws OverlayerError `NotFound`: the parent directory does not exist; `FailedPrecondition`: the destination is not an
   *   empty directory (with `merge`: not a directory); `PermissionDenied`
   */
  static open(
    system: System,
    path: string,
    existing: 'refuse' | 'merge',
    notEmpty = 'choose another one',
  ): Destination {
    try {
      return openExisting(system, path, existing, notEmpty) ?? openNew(system, path);
    } catch (error) {
      if (OverlayerError.is(error)) throw error;
      throw fromSystemError(asSystemError(error, path), `Cannot write to "${path}"`);
    }
  }

  /**
   * Gives the tree its name. With `sync` the tree is on disk before.
   *
   * @throws OverlayerError `AlreadyExists` when another file has taken the name; the tree is deleted then
   */
  commit(sync: boolean): void {
    try {
      this.#bringIntoView(sync);
    } catch (error) {
      const refused =
        error instanceof SystemError ? fromSystemError(error, `Cannot finish "${this.#name}"`) : error;
      throw withContext(refused, { hint: this.discard() });
    }
    this.#close();
  }

  #bringIntoView(sync: boolean): void {
    const system = this.#system;
    if (sync) system.syncFileSystem(this.descriptor);
    if (this.kind !== 'new') return;
    try {
      system.renameNew(this.#parent, this.#staging, this.#parent, this.#name);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      throw new OverlayerError(
        'AlreadyExists',
        `Cannot finish "${this.#name}": something else has made it meanwhile`,
      );
    }
    this.#staging = this.#name; // from now on a failure deletes the tree by this name
    if (sync) system.syncDirectory(this.#parent);
  }

  /**
   * Deletes what was written, except with `merge`.
   *
   * @returns a sentence on what could not be deleted; undefined when all is deleted
   */
  discard(): string | undefined {
    try {
      if (this.kind === 'new')
        return takeBack(this.#system, this.#parent, this.#staging, join(this.#parentPath, this.#staging));
      if (this.kind === 'merge') return undefined;
      const content = join(this.#parentPath, this.#name, '*');
      return takeBack(this.#system, this.descriptor, undefined, content);
    } finally {
      this.#close();
    }
  }

  #close(): void {
    for (const descriptor of [this.descriptor, this.#parent]) closeQuietly(this.#system, descriptor);
  }
}

function openExisting(
  system: System,
  path: string,
  existing: 'refuse' | 'merge',
  notEmpty: string,
): Destination | undefined {
  // Most destinations are new, and an exception takes 50 µs.
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
  let real: string;
  try {
    real = realpathSync.native(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new OverlayerError('FailedPrecondition', `Destination "${path}" is a symlink that leads nowhere`);
  }
  return withClosing(system, (keep) => {
    const descriptor = keep(openDestination(system, real, path));
    const empty = system.list(descriptor).length === 0;
    if (!empty && existing === 'refuse')
      throw new OverlayerError('FailedPrecondition', `Destination "${path}" is not empty`, {
        hint: notEmpty,
      });
    const parent = openParent(system, dirname(real), keep);
    return new Destination(system, empty ? 'empty' : 'merge', parent, basename(real), '', descriptor);
  });
}

function openDestination(system: System, real: string, path: string): number {
  try {
    return system.openAt(AT_FDCWD, real, OPEN_DIRECTORY, 0);
  } catch (error) {
    if (!isErrno(error, 'ENOTDIR')) throw error;
    throw new OverlayerError('FailedPrecondition', `Destination "${path}" is not a directory`);
  }
}

function openNew(system: System, path: string): Destination {
  const absolute = resolve(path);
  const name = basename(absolute);
  return withClosing(system, (keep) => {
    const parent = openParent(system, realParent(absolute), keep);
    removeDead(system, parent.descriptor, name);
    for (;;) {
      const staging = stagingName(name);
      // No other user may enter it before it is complete, and run a setuid file (CVE-2021-41103).
      system.makeDirectory(parent.descriptor, staging, 0o700);
      try {
        const descriptor = openStaged(system, parent.descriptor, staging);
        if (descriptor === undefined) continue;
        keep(descriptor);
        // A default ACL of the parent would change every mode below.
        for (const acl of [DEFAULT_ACL, ACCESS_ACL])
          if (system.getXattr(descriptor, acl) !== undefined) system.removeXattr(descriptor, acl);
        // A setgid parent passes on its group and the bit.
        system.chown(descriptor, process.geteuid!(), process.getegid!());
        system.chmod(descriptor, 0o700);
        return new Destination(system, 'new', parent, name, staging, descriptor);
      } catch (error) {
        const stays = takeBack(system, parent.descriptor, staging, join(parent.path, staging));
        throw withContext(toOverlayerError(error, `Cannot write to "${path}"`), { hint: stays });
      }
    }
  });
}
