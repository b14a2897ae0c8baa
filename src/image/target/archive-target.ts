import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { parseManifest } from '../../oci/manifest.js';
import { isIndex, isLayer, MEDIA_TYPE } from '../../oci/media-types.js';
import { openStagedFile, type StagedFile, stagingName } from '../../rootfs/staging.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { syncDirectory } from '../../system/sync-directory.js';
import { paddingOf } from '../../tar/block.js';
import { DOCKER_MANIFEST_FILE } from '../archive/docker-archive.js';
import { ARCHIVE_END, fileHeader } from '../archive/member-header.js';
import { blobName, INDEX_FILE, LAYOUT_FILE } from '../source/local-images.js';
import { dockerTag, LAYOUT_DOCUMENT, namedDescriptor } from './image-names.js';
import type { ImageTarget, NewBlob, TargetForm, WriteBlobOptions } from './image-target.js';
import { writeAll, writeAsBlob, writeBlobInto } from './write-blob.js';

/**
 * - `oci-archive`: an OCI layout as an uncompressed tar
 * - `docker-archive`: as `docker save` and skopeo write it, with a `manifest.json` and layers as plain tars
 */
export type ImageArchiveFormat = 'oci-archive' | 'docker-archive';

const FORMS: Readonly<Record<ImageArchiveFormat, TargetForm>> = {
  'oci-archive': { severalImages: true, partialIndexes: true, foreignLayers: true },
  'docker-archive': { severalImages: true, plainLayers: true },
};

interface NamedImage {
  readonly name: string | undefined;
  readonly target: Descriptor;
  readonly bytes: Uint8Array;
}

/** A blob whose size was not known before its end. */
interface CollectedBlob {
  readonly descriptor: Descriptor;
  /** Has no name any more, so nothing is left when the process is killed. */
  readonly file: FileHandle;
}

/**
 * An archive of images in a file. Blobs are written at the same time, each into its part of the file, in the order in which
 * they begin. Blobs of unknown size are collected in files of their own, and become members at the end, in the order of
 * their digests. So the same copy always gives the same bytes. The archive appears when it is complete and on disk.
 */
export class ArchiveTarget implements ImageTarget {
  readonly description: string;
  readonly form: TargetForm;
  readonly #format: ImageArchiveFormat;
  readonly #path: string;
  readonly #partial: string;
  #file: FileHandle | undefined;
  /** Where the next member begins. */
  #end = 0;
  readonly #written = new Map<Digest, Promise<Descriptor>>();
  readonly #collected: CollectedBlob[] = [];
  readonly #images: NamedImage[] = [];
  #state: 'open' | 'damaged' | 'finished' = 'open';

  private constructor(path: string, format: ImageArchiveFormat, staged: StagedFile) {
    this.description = path;
    this.form = FORMS[format];
    this.#format = format;
    this.#path = resolve(path);
    this.#partial = staged.path;
    this.#file = staged.file;
  }

  /** See `createImageArchive`. */
  static async open(path: string, format: ImageArchiveFormat): Promise<ArchiveTarget> {
    checkPath('path', path);
    try {
      return new ArchiveTarget(path, format, await openStagedFile(resolve(path), 0o644));
    } catch (error) {
      throw toOverlayerError(error, `Cannot write "${path}"`);
    }
  }

  async has({ digest }: Descriptor): Promise<boolean> {
    return this.#written.has(digest) && (await this.#written.get(digest)!) !== undefined;
  }

  async writeBlob(blob: NewBlob, options: WriteBlobOptions = {}): Promise<Descriptor> {
    const { digest, mediaType, size } = blob;
    if (digest === undefined || size === undefined) return await this.#collect(blob, options);
    const same = this.#written.get(digest);
    if (same !== undefined) return await same;
    const writing = this.#writeMember({ mediaType, digest, size }, blob, options);
    this.#written.set(digest, writing);
    return await writing;
  }

  async writeManifest(manifest: Descriptor, bytes: Uint8Array, options?: AbortableOptions): Promise<void> {
    if (this.#format === 'oci-archive') await writeAsBlob(this, manifest, bytes, options);
    else if (isIndex(manifest.mediaType))
      throw new OverlayerError('InvalidArgument', 'An archive of docker has one platform of an image', {
        hint: 'choose a platform',
      });
  }

  async name(name: string | undefined, target: Descriptor, bytes: Uint8Array): Promise<void> {
    this.#images.push({ name, target, bytes });
  }

  async finish(options: AbortableOptions = {}): Promise<void> {
    const file = this.#opened();
    for (const { descriptor, file: collected } of this.#collected.toSorted(byDigest)) {
      const bytes = collected.createReadStream({ start: 0, autoClose: false });
      await this.#writeMember(
        descriptor,
        { ...descriptor, open: async () => ({ bytes, offset: 0 }) },
        options,
      );
    }
    for (const [name, document] of Object.entries(this.#documents()))
      await this.#append(name, Buffer.from(JSON.stringify(document)));
    try {
      await file.truncate(this.#end + ARCHIVE_END.length);
      await file.sync();
      await rename(this.#partial, this.#path);
      this.#state = 'finished';
      await syncDirectory(dirname(this.#path));
    } catch (error) {
      throw toOverlayerError(error, `Cannot write "${this.description}"`);
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    await Promise.all([file, ...this.#collected.map((blob) => blob.file)].map((open) => open.close()));
    if (this.#state !== 'finished') await rm(this.#partial, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #documents(): Readonly<Record<string, unknown>> {
    if (this.#format === 'docker-archive') return { [DOCKER_MANIFEST_FILE]: this.#dockerManifest() };
    return {
      [INDEX_FILE]: {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.index,
        manifests: this.#images.map(namedDescriptor),
      },
      [LAYOUT_FILE]: LAYOUT_DOCUMENT,
    };
  }

  /** The `manifest.json` of `docker save`. Names of the same image share an entry. */
  #dockerManifest(): readonly object[] {
    const entries = new Map<Digest, { Config: string; RepoTags: string[]; Layers: string[] }>();
    for (const { name, target, bytes } of this.#images) {
      const { config, layers } = parseManifest(bytes, target.mediaType);
      const entry = entries.get(config.digest) ?? {
        Config: this.#memberOf({ ...config, mediaType: MEDIA_TYPE.config }),
        RepoTags: [],
        Layers: layers.map((layer) => this.#memberOf(layer)),
      };
      entries.set(config.digest, entry);
      const tag = dockerTag(name);
      if (tag !== undefined && !entry.RepoTags.includes(tag)) entry.RepoTags.push(tag);
    }
    return [...entries.values()];
  }

  /** In an archive of docker as skopeo names them: a config `<digest>.json`, a layer `<diffID>.tar`. */
  #memberOf({ digest, mediaType }: Pick<Descriptor, 'digest' | 'mediaType'>): string {
    if (this.#format === 'oci-archive') return blobName(digest);
    return `${digest.slice('sha256:'.length)}.${isLayer(mediaType) ? 'tar' : 'json'}`;
  }

  async #writeMember(member: Descriptor, blob: NewBlob, options: WriteBlobOptions): Promise<Descriptor> {
    const file = this.#opened();
    const header = fileHeader(this.#memberOf(member), member.size);
    const start = this.#end;
    this.#end = start + header.length + member.size + paddingOf(member.size);
    try {
      await this.#writeAt(header, start);
      const place = { file, position: start + header.length, path: this.description };
      return await writeBlobInto(place, blob, options);
    } catch (error) {
      // Its part of the file stays behind.
      this.#state = 'damaged';
      throw error;
    }
  }

  /** A member's header comes first and has its size. */
  async #collect(blob: NewBlob, options: WriteBlobOptions): Promise<Descriptor> {
    const path = join(dirname(this.#path), stagingName(basename(this.#path)));
    const file = await open(path, 'wx+', 0o600).catch((error: unknown) => {
      throw toOverlayerError(error, `Cannot write "${this.description}"`);
    });
    let isKept = false;
    try {
      // Another writer may take it for the file of a killed one.
      await rm(path, { force: true });
      const descriptor = await writeBlobInto({ file, position: 0, path: this.description }, blob, options);
      isKept = !this.#written.has(descriptor.digest);
      if (isKept) {
        this.#written.set(descriptor.digest, Promise.resolve(descriptor));
        this.#collected.push({ descriptor, file });
      }
      return descriptor;
    } finally {
      if (!isKept) await file.close();
    }
  }

  async #append(name: string, bytes: Uint8Array): Promise<void> {
    const header = fileHeader(name, bytes.length);
    await this.#writeAt(Buffer.concat([header, bytes]), this.#end);
    this.#end += header.length + bytes.length + paddingOf(bytes.length);
  }

  async #writeAt(bytes: Uint8Array, position: number): Promise<void> {
    await writeAll({ file: this.#opened(), position, path: this.description }, bytes);
  }

  #opened(): FileHandle {
    if (this.#file !== undefined && this.#state === 'open') return this.#file;
    throw new OverlayerError(
      'FailedPrecondition',
      `"${this.description}" is ${this.#state === 'open' ? 'closed' : this.#state}`,
    );
  }
}

function byDigest({ descriptor: a }: CollectedBlob, { descriptor: b }: CollectedBlob): number {
  return a.digest < b.digest ? -1 : 1;
}
