import {
  close,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { isCode } from '../../base/errors.js';
import { findErofsLayer } from '../../layer/erofs/read-erofs-layer.js';
import { type DiffID, parseDigest } from '../../oci/digest.js';
import { sharedFileOf, sharedLayers } from '../store/layer-files.js';

/**
 * The layers that snapshots of a root share, as hard links. No lock is needed: link(2) is atomic, and a layer that is gone
 * from the pool only costs its sharing.
 */
export class LayerPool {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Gives a snapshot the layer. @returns false when the pool does not have it */
  take(diffID: string, file: string): boolean {
    const wanted = parseDigest(diffID);
    return this.#holds(wanted) && orAbsent(() => linkSync(sharedFileOf(this.#root, wanted), file));
  }

  /** Shares the layer of a snapshot: the pool gets it, or the snapshot gets the pool's file in its place. */
  share(file: string): void {
    const layer = findErofsLayer(file);
    if (layer === undefined || layer.dependsOnLowers) return;
    const shared = sharedFileOf(this.#root, layer.diffID);
    mkdirSync(dirname(shared), { recursive: true, mode: 0o700 });
    this.#holds(layer.diffID);
    try {
      linkSync(file, shared);
      return;
    } catch (error) {
      // More than 65,000 snapshots have the layer (EMLINK): one more has a copy.
      if (!isErrno(error, 'EEXIST')) return;
    }
    if (statSync(shared).ino === statSync(file).ino) return;
    const link = `${file}.shared`;
    rmSync(link, { force: true });
    if (!orAbsent(() => linkSync(shared, link))) return;
    renameSync(link, file);
  }

  /** Shares a sound file instead of a damaged one. @param damaged of a snapshot @param sound the same layer */
  replace(damaged: string, sound: string): void {
    const layer = findErofsLayer(sound);
    if (layer === undefined || layer.dependsOnLowers) return;
    const shared = sharedFileOf(this.#root, layer.diffID);
    const inode = (file: string) => statSync(file, { throwIfNoEntry: false })?.ino;
    if (inode(shared) === inode(damaged)) orAbsent(() => unlinkSync(shared));
    this.share(sound);
  }

  /**
   * Call it before the removal of a snapshot's directory, and the result after it.
   *
   * The open descriptor keeps the removals of the last names from waiting for the kernel, which frees 1.75 GB of cached pages
   * in 0.15 s. It does that when the descriptor is closed, also by the end of the process. So a crash leaves nothing.
   *
   * @returns removes the layer from the pool if no snapshot has it any more. `freed` resolves when its space is free
   */
  leave(file: string): () => Promise<{ readonly freed: Promise<void> }> {
    let descriptor: number | undefined;
    let diffID: DiffID | undefined;
    try {
      descriptor = openSync(file, 'r');
      diffID = findErofsLayer(file)?.diffID;
    } catch {
      // There is no such file, or it is damaged: `sweep` removes the layer.
    }
    return async () => {
      // Its entry in the pool stays for `sweep` when it can't be removed.
      if (diffID !== undefined) await this.#dropUnused(diffID).catch(() => {});
      return { freed: descriptor === undefined ? Promise.resolve() : closeInThread(descriptor) };
    };
  }

  /** Removes the layers that no snapshot has. */
  async sweep(): Promise<void> {
    for (const diffID of sharedLayers(this.#root)) await this.#dropUnused(diffID);
  }

  /** By the head of the file. A file in the pool that is cut off, or is not the layer of its name, is removed. */
  #holds(diffID: DiffID): boolean {
    const shared = sharedFileOf(this.#root, diffID);
    if (!existsSync(shared)) return false;
    try {
      const layer = findErofsLayer(shared);
      if (layer?.diffID === diffID && !layer.dependsOnLowers) return true;
    } catch (error) {
      if (isCode(error, 'NotFound')) return false;
      if (!isCode(error, 'DataLoss')) throw error;
    }
    orAbsent(() => unlinkSync(shared));
    return false;
  }

  /** Not on the caller's thread: freeing the pages of a large file takes 0.1 s. */
  async #dropUnused(diffID: DiffID): Promise<void> {
    const file = sharedFileOf(this.#root, diffID);
    if (statSync(file, { throwIfNoEntry: false })?.nlink === 1) await rm(file, { force: true });
  }
}

let closed: Promise<void> = Promise.resolve();

/** One after the other: two at once keep both processors of a small machine from the removals that follow. */
function closeInThread(descriptor: number): Promise<void> {
  closed = closed.then(() => promisify(close)(descriptor)).catch(() => {});
  return closed;
}

/** @returns false when a file is not there */
function orAbsent(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
