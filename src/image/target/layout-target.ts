import { randomUUID } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { withContext } from '../../base/with-context.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { JsonText } from '../../oci/json-text.js';
import { parseIndex } from '../../oci/manifest.js';
import { MEDIA_TYPE } from '../../oci/media-types.js';
import { closeQuietly } from '../../rootfs/directory.js';
import { lockDirectory, makeLockedDirectory } from '../../rootfs/lock-directory.js';
import { makeDirectories } from '../../rootfs/make-directories.js';
import { waitForLock } from '../../rootfs/wait-for-lock.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { findLinuxSystem } from '../../system/linux.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { AT_FDCWD } from '../../system/system.js';
import { REF_NAME_ANNOTATION } from '../reference.js';
import {
  blobName,
  INDEX_FILE,
  LAYOUT_FILE,
  type LocalFile,
  readLayout,
  readWholeFile,
} from '../source/local-images.js';
import { LAYOUT_DOCUMENT, nameAnnotations, namedDescriptor } from './image-names.js';
import type { ImageTarget, NewBlob, WriteBlobOptions } from './image-target.js';
import { writeAsBlob, writeBlobInto } from './write-blob.js';

/** Directories of writers in a layout begin with it. */
const STAGING = '.overlayer-';
/** Those of writers without flock(2). Other writers leave them, since they can't know whether the writer is dead. */
const UNLOCKED_STAGING = `${STAGING}unlocked-`;
/** A writer of several gigabytes needs seconds to name an image. */
const LOCK_LIMIT_MS = 30_000;
/** `blobs`, and the only algorithm. */
const BLOBS = ['blobs', 'blobs/sha256'] as const;
const EMPTY_INDEX = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] } as const;

/**
 * An OCI layout in a directory (OCI image spec, image-layout.md). Blobs are collected in a directory of this writer. A name
 * moves them to their places and then replaces the index: what other writers and readers see is always whole.
 */
export class LayoutTarget implements ImageTarget {
  readonly description: string;
  readonly form = { severalImages: true, partialIndexes: true, foreignLayers: true } as const;
  readonly #path: string;
  readonly #system = findLinuxSystem();
  /** The first directory that this writer made; undefined when the layout existed. */
  readonly #made: string | undefined;
  readonly #staging: string;
  /** Holds the lock of the staging directory. */
  #lock: number | undefined;
  readonly #staged = new Map<Digest, Promise<Descriptor>>();
  #isNamed = false;

  private constructor(directory: string, made: string | undefined) {
    this.description = directory;
    this.#path = resolve(directory);
    this.#made = made;
    const start = this.#system === undefined ? UNLOCKED_STAGING : STAGING;
    this.#staging = join(this.#path, `${start}${randomUUID()}`);
  }

  /** See `createImageLayout`. */
  static async open(directory: string): Promise<LayoutTarget> {
    checkPath('directory', directory);
    try {
      const made = makeDirectories(directory);
      const target = new LayoutTarget(directory, made);
      await target.#begin();
      return target;
    } catch (error) {
      throw toOverlayerError(error, `Cannot write image layout "${directory}"`);
    }
  }

  async has({ digest, size }: Descriptor): Promise<boolean> {
    if (this.#staged.has(digest)) {
      await this.#staged.get(digest);
      return true;
    }
    const stat = await lstat(join(this.#path, blobName(digest))).catch(() => undefined);
    return stat?.isFile() === true && stat.size === size;
  }

  async writeBlob(blob: NewBlob, options: WriteBlobOptions = {}): Promise<Descriptor> {
    const { digest } = blob;
    const same = digest === undefined ? undefined : this.#staged.get(digest);
    if (same !== undefined) return await same;
    const writing = this.#write(blob, options);
    if (digest === undefined) return await writing;
    this.#staged.set(digest, writing);
    try {
      return await writing;
    } catch (error) {
      this.#staged.delete(digest);
      throw error;
    }
  }

  async writeManifest(manifest: Descriptor, bytes: Uint8Array, options?: AbortableOptions): Promise<void> {
    await writeAsBlob(this, manifest, bytes, options);
  }

  async name(
    name: string | undefined,
    target: Descriptor,
    _: Uint8Array,
    { signal }: AbortableOptions = {},
  ): Promise<void> {
    try {
      const unlock = await this.#lockLayout(signal);
      try {
        await this.#publish();
        await this.#replaceIndex(name, target);
        this.#isNamed = true;
      } finally {
        unlock();
      }
    } catch (error) {
      throw toOverlayerError(error, `Cannot write image layout "${this.description}"`);
    }
  }

  async close(): Promise<void> {
    const lock = this.#lock;
    if (lock === undefined && this.#system !== undefined) return;
    await rm(this.#staging, { recursive: true, force: true });
    if (lock !== undefined) closeQuietly(this.#system!, lock);
    this.#lock = undefined;
    if (this.#isNamed || this.#made === undefined) return;
    // Another writer may have put an image there.
    for (let path = this.#path; path.length >= this.#made.length; path = dirname(path))
      if (
        !(await rmdir(path).then(
          () => true,
          () => false,
        ))
      )
        return;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #begin(): Promise<void> {
    const names = await readdir(this.#path);
    // A writer that was killed may have left a layout without an index.
    const ours = names.every((name) => name.startsWith(STAGING) || name === 'blobs' || name === LAYOUT_FILE);
    if (!ours) await this.#checkLayout();
    for (const name of names) if (name.startsWith(STAGING)) await this.#removeDead(name);
    if (this.#system === undefined) await mkdir(this.#staging);
    else this.#lock = makeLockedDirectory(this.#system, AT_FDCWD, this.#staging) as number;
  }

  /** @throws OverlayerError as `readLayout` */
  async #checkLayout(): Promise<void> {
    try {
      await readLayout((name) => this.#find(name));
    } catch (error) {
      throw withContext(error, {
        prefix: `Cannot write image layout "${this.description}"`,
        hint: 'choose an empty directory, or one that does not exist',
      });
    }
  }

  #find(name: string): LocalFile | undefined {
    const path = join(this.#path, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isFile()) throw new OverlayerError('InvalidArgument', `"${name}" is not a file`);
    return { bytes: { path, offset: 0, length: stat.size } };
  }

  /** Removes the blobs of a writer whose process was killed. */
  async #removeDead(name: string): Promise<void> {
    if (this.#system === undefined || name.startsWith(UNLOCKED_STAGING)) return;
    const path = join(this.#path, name);
    const lock = lockDirectory(this.#system, AT_FDCWD, path);
    if (typeof lock === 'string') return;
    await rm(path, { recursive: true, force: true });
    closeQuietly(this.#system, lock);
  }

  async #write(blob: NewBlob, options: WriteBlobOptions): Promise<Descriptor> {
    const path = join(this.#staging, randomUUID());
    const file = await open(path, 'wx', 0o644).catch((error: unknown) => {
      throw toOverlayerError(error, `Cannot write image layout "${this.description}"`);
    });
    try {
      const written = await writeBlobInto({ file, position: 0, path: this.description }, blob, options);
      await file.sync();
      await rename(path, join(this.#staging, hexOf(written.digest)));
      if (blob.digest === undefined) this.#staged.set(written.digest, Promise.resolve(written));
      return written;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      await file.close();
    }
  }

  async #lockLayout(signal: AbortSignal | undefined): Promise<() => void> {
    const system = this.#system;
    if (system === undefined) return () => {};
    const take = () => {
      const lock = lockDirectory(system, AT_FDCWD, this.#path, this.description);
      if (lock === 'gone')
        throw new OverlayerError('NotFound', `Image layout "${this.description}" was removed`);
      return lock === 'held' ? undefined : lock;
    };
    const lock = await waitForLock(take, { path: this.#path, limitMs: LOCK_LIMIT_MS, signal });
    return () => closeQuietly(system, lock);
  }

  /** Moves the blobs of this writer to their places. */
  async #publish(): Promise<void> {
    for (const name of BLOBS) await this.#ensureDirectory(name);
    for (const digest of [...this.#staged.keys()]) {
      await rename(join(this.#staging, hexOf(digest)), join(this.#path, blobName(digest)));
      this.#staged.delete(digest);
    }
    await syncDirectory(join(this.#path, BLOBS[1]));
    if (!(await exists(join(this.#path, LAYOUT_FILE))))
      await this.#replace(LAYOUT_FILE, Buffer.from(JSON.stringify(LAYOUT_DOCUMENT)));
  }

  async #ensureDirectory(name: string): Promise<void> {
    const path = join(this.#path, name);
    await mkdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    // A symlink would lead out of the layout.
    if ((await lstat(path)).isDirectory()) return;
    throw new OverlayerError(
      'InvalidArgument',
      `"${name}" in image layout "${this.description}" is not a directory`,
    );
  }

  /** The image that had the name loses it. Other entries, and fields that nothing here knows, stay. */
  async #replaceIndex(name: string | undefined, target: Descriptor): Promise<void> {
    const text = new JsonText(await this.#readIndex(), INDEX_FILE);
    const { [REF_NAME_ANNOTATION]: wanted } = nameAnnotations(name);
    const isReplaced = (json: string) => {
      const entry = JSON.parse(json) as Descriptor | null;
      const its = entry?.annotations?.[REF_NAME_ANNOTATION];
      return its === wanted && (wanted !== undefined || entry?.digest === target.digest);
    };
    const others = text.itemTexts(['manifests']).filter((json) => !isReplaced(json));
    text.setItems(['manifests'], [...others, JSON.stringify(namedDescriptor({ name, target }))]);
    parseIndex(text.bytes);
    await this.#replace(INDEX_FILE, text.bytes);
  }

  async #readIndex(): Promise<Uint8Array> {
    const file = this.#find(INDEX_FILE);
    return file === undefined
      ? Buffer.from(JSON.stringify(EMPTY_INDEX))
      : await readWholeFile(file, INDEX_FILE);
  }

  async #replace(name: string, bytes: Uint8Array): Promise<void> {
    const partial = join(this.#staging, name);
    await writeFile(partial, bytes, { flush: true });
    await rename(partial, join(this.#path, name));
    await syncDirectory(this.#path);
  }
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined)) !== undefined;
}
