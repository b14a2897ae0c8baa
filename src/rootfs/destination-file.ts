import { basename, join, resolve } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { withContext } from '../base/with-context.js';
import { toOverlayerError } from '../system/errno-code.js';
import { isErrno, O, S, type System } from '../system/system.js';
import { closeQuietly } from './directory.js';
import { statIfThere } from './lower-layers.js';
import {
  lockStaged,
  openParent,
  type ParentDirectory,
  realParent,
  removeDead,
  stagingName,
  withClosing,
} from './staging.js';
import { takeBack } from './trees/remove-tree.js';

/** Only the owner may read a layer file: it has the contents of all files of the layer. */
const FILE_MODE = 0o600;

/** A new file that gets its name when it is complete. End it with `commit` or `discard`, which close it. */
export class DestinationFile {
  /** For reading and writing. */
  readonly descriptor: number;
  /** The path that was given. */
  readonly path: string;
  readonly #system: System;
  readonly #parent: ParentDirectory;
  readonly #name: string;
  readonly #staging: string;
  /** The names that the file has now. */
  #names: readonly string[];

  private constructor(
    system: System,
    path: string,
    parent: ParentDirectory,
    names: { readonly name: string; readonly staging: string },
    descriptor: number,
  ) {
    this.#system = system;
    this.path = path;
    this.#parent = parent;
    this.#name = names.name;
    this.#staging = names.staging;
    this.#names = [names.staging];
    this.descriptor = descriptor;
  }

  /** @throws OverlayerError `AlreadyExists`; `NotFound`: the parent directory does not exist; `PermissionDenied` */
  static open(system: System, path: string): DestinationFile {
    const absolute = resolve(path);
    const name = basename(absolute);
    try {
      return withClosing(system, (keep) => {
        const parent = openParent(system, realParent(absolute), keep);
        const there = statIfThere(system, parent.descriptor, name);
        if (there !== undefined) throw alreadyExists(path, (there.mode & S.IFMT) === S.IFDIR);
        removeDead(system, parent.descriptor, name);
        const flags = O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW;
        for (;;) {
          const staging = stagingName(name);
          const descriptor = keep(system.openAt(parent.descriptor, staging, flags, FILE_MODE));
          if (!lockStaged(system, descriptor)) continue;
          return new DestinationFile(system, path, parent, { name, staging }, descriptor);
        }
      });
    } catch (error) {
      throw toOverlayerError(error, `Cannot write to "${path}"`);
    }
  }

  /**
   * Writes `head` at the beginning of the file, and gives the file its name. With `sync` all other bytes are on the
   * disk before the head is written, and the head before the name.
   *
   * @throws OverlayerError `AlreadyExists` when another file has taken the name. The file is deleted after a failure
   */
  commit(head: Uint8Array, sync: boolean): void {
    const system = this.#system;
    try {
      if (sync) system.syncFile(this.descriptor);
      system.pwrite(this.descriptor, system.address(head), head.length, 0);
      if (sync) system.syncFile(this.descriptor);
      this.#takeName();
      if (sync) system.syncDirectory(this.#parent.descriptor);
    } catch (error) {
      throw withContext(toOverlayerError(error, `Cannot finish "${this.path}"`), { hint: this.discard() });
    }
    this.#close();
  }

  /** link(2) does not replace a file, on any file system. */
  #takeName(): void {
    const { descriptor } = this.#parent;
    try {
      this.#system.link(descriptor, this.#staging, descriptor, this.#name);
    } catch (error) {
      throw isErrno(error, 'EEXIST') ? alreadyExists(this.path) : error;
    }
    this.#names = [this.#name, this.#staging];
    this.#system.unlink(descriptor, this.#staging);
    this.#names = [this.#name];
  }

  /** Deletes the file. @returns a sentence on what could not be deleted; undefined when it is deleted */
  discard(): string | undefined {
    const { descriptor, path } = this.#parent;
    try {
      const stays = this.#names.map((name) => takeBack(this.#system, descriptor, name, join(path, name)));
      return stays.find((sentence) => sentence !== undefined);
    } finally {
      this.#close();
    }
  }

  #close(): void {
    for (const descriptor of [this.descriptor, this.#parent.descriptor])
      closeQuietly(this.#system, descriptor);
  }
}

function alreadyExists(path: string, isDirectory = false): OverlayerError {
  const what = isDirectory ? 'is a directory' : 'already exists';
  return new OverlayerError('AlreadyExists', `Cannot create file "${path}": it ${what}`, {
    hint: isDirectory ? 'give the path of a new file' : 'choose another file, or remove this one',
  });
}
