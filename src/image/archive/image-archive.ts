import { createHash, randomUUID } from 'node:crypto';
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import { descriptorPath } from '../../base/descriptor-path.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import type { ContentStore, Ingest } from '../../content/content-store.js';
import { openSource, pathOf } from '../../layer/open-source.js';
import type { Digest } from '../../oci/digest.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError } from '../../system/system.js';
import type { TarEntryReader } from '../../tar/reader.js';
import type { ImageSource, OpenImagesOptions } from '../source/image-source.js';
import { LocalImageSource, readingImages } from '../source/local-image-source.js';
import {
  type FindFile,
  INDEX_FILE,
  isLayout,
  type LocalFile,
  type LocalImages,
  readLayout,
} from '../source/local-images.js';
import { openArchiveFile, readHandle } from './archive-file.js';
import type { ArchiveMembers } from './archive-members.js';
import { DOCKER_MANIFEST_FILE, readDockerArchive } from './docker-archive.js';
import {
  checkMember,
  digestOfMember,
  indexArchive,
  ingestArchive,
  type MemberStore,
} from './read-members.js';

export interface OpenImageArchiveOptions extends OpenImagesOptions {
  /** Store for the blobs of a stream, or of a compressed archive. @default none: `scratch` is used */
  readonly content?: ContentStore | undefined;
  /** Id of a lease that protects those blobs from garbage collection. @default none: no collection may run meanwhile */
  readonly lease?: string | undefined;
  /**
   * Directory for those blobs when there is no content store. They are written to an unnamed file on its file system, which
   * needs space for all of them, until the source is closed.
   * @default none: only small blobs are kept, in memory
   */
  readonly scratch?: string | undefined;
}

/** See `openImageArchive`. */
export async function readImageArchive(
  given: string | URL | ByteSource,
  options: OpenImageArchiveOptions,
): Promise<ImageSource> {
  const source = given instanceof URL ? pathOf(given) : given;
  if (typeof source !== 'string') return await openStream('archive', source, options);
  options.signal?.throwIfAborted();
  const handle = await openArchiveFile(source);
  // It is not a regular file, so it is read as a stream.
  if (handle === undefined) return await openStream(source, openSource(source).bytes!, options);
  let kept = false;
  try {
    if (await isCompressed(handle, source)) return await openStream(source, readHandle(handle), options);
    const images = await readingImages(source, async () => {
      // The descriptor's path stays this file when another file takes the name.
      const members = await indexArchive(handle, descriptorPath(handle.fd, source), options);
      return await readImages(members, options);
    });
    const opened = await LocalImageSource.open(source, images, options.names, () => handle.close());
    kept = true;
    return opened;
  } finally {
    if (!kept) await handle.close();
  }
}

async function openStream(
  description: string,
  source: ByteSource,
  options: OpenImageArchiveOptions,
): Promise<ImageSource> {
  const { content, lease, scratch, names } = options;
  const kept = scratch === undefined ? undefined : new ScratchMembers(scratch);
  const store = content === undefined ? (kept ?? NOWHERE) : new ContentMembers(content, lease);
  const close = async () => await kept?.close();
  try {
    const images = await readingImages(description, async () =>
      readImages(await ingestArchive(source, store, options), options),
    );
    return await LocalImageSource.open(description, images, names, close);
  } catch (error) {
    await close();
    throw error;
  }
}

const NOWHERE: MemberStore = {
  keep() {
    throw new OverlayerError('FailedPrecondition', 'there is no place for the blobs of a stream', {
      hint: 'give a content store or a scratch directory, or decompress the archive into a file first',
    });
  },
};

async function readImages(members: ArchiveMembers, options: AbortableOptions): Promise<LocalImages> {
  const find: FindFile = (name) => members.find(name);
  if (isLayout(find)) return await readLayout(find);
  if (find(DOCKER_MANIFEST_FILE) !== undefined) return await readDockerArchive(find, options);
  if (find('repositories') !== undefined)
    throw new OverlayerError('Unimplemented', 'it is of a docker before 1.10, without manifest.json', {
      hint: 'load it with docker and save it again',
    });
  const directory = members.findDirectory([DOCKER_MANIFEST_FILE, INDEX_FILE]);
  throw new OverlayerError('InvalidArgument', 'it holds neither an OCI layout nor images of docker', {
    hint:
      directory === undefined
        ? 'a layer is unpacked by overlayer unpack, or by unpackLayer'
        : `those are in "${displayPath(directory)}": pack it again from there (tar -C ${displayPath(directory)} -cf …)`,
  });
}

async function isCompressed(handle: FileHandle, path: string): Promise<boolean> {
  const head = Buffer.alloc(DETECT_BYTES);
  const { bytesRead } = await handle.read(head, 0, DETECT_BYTES, 0);
  return (await readingImages(path, async () => detectFormat(head.subarray(0, bytesRead)))) !== 'none';
}

/** Members as blobs of a content store. */
class ContentMembers implements MemberStore {
  readonly #content: ContentStore;
  readonly #lease: string | undefined;
  readonly #refs = `archive-${randomUUID()}`;

  /** @param lease id of the lease that protects the blobs from garbage collection */
  constructor(content: ContentStore, lease: string | undefined) {
    this.#content = content;
    this.#lease = lease;
  }

  async keep(member: TarEntryReader): Promise<LocalFile> {
    const { entry } = member;
    const ref = `${this.#refs}-${entry.offset}`;
    const expected = digestOfMember(entry);
    const { leases } = this.#content;
    if (this.#lease !== undefined) {
      await leases.add(this.#lease, { type: 'ingest', id: ref });
      if (expected !== undefined) await leases.add(this.#lease, { type: 'content', id: expected });
    }
    const digest = await this.#store(member, ref, expected);
    const path = await this.#content.path(digest);
    return { digest, bytes: { path, offset: 0, length: entry.size } };
  }

  /** @returns the digest of the blob, which is in the store afterwards */
  async #store({ entry, body }: TarEntryReader, ref: string, expected: Digest | undefined): Promise<Digest> {
    const ingest = await this.#open(ref, entry.size, expected);
    if (ingest === undefined) return expected!;
    try {
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await ingest.write(chunk);
      }
      const hashed: Digest = `sha256:${sha256.digest('hex')}`;
      checkMember(entry, hashed);
      if (this.#lease !== undefined && expected === undefined)
        await this.#content.leases.add(this.#lease, { type: 'content', id: hashed });
      await ingest.commit({ hashed }).catch(async (error: unknown) => {
        if (!isCode(error, 'AlreadyExists')) throw error;
        await ingest.close();
        await this.#content.abort(ref).catch(() => {}); // a failed cleanup leaves an idle ingest, which the next collection removes
      });
      return hashed;
    } catch (error) {
      await ingest.close();
      await this.#content.abort(ref).catch(() => {}); // the first error is the cause
      throw error;
    }
  }

  /** Undefined when the blob is already in the store. */
  async #open(ref: string, size: number, digest: Digest | undefined): Promise<Ingest | undefined> {
    try {
      return await this.#content.openIngest(ref, { size, digest });
    } catch (error) {
      if (isCode(error, 'AlreadyExists')) return undefined;
      throw error;
    }
  }
}

const { O_CREAT, O_EXCL, O_RDWR } = constants;

/** Elsewhere a path leads to a file without a name (`descriptorPath`). */
const NEEDS_NAME = !['linux', 'darwin'].includes(process.platform);

/** Members one after the other in a file without a name, which is gone when it is closed, or the process ends. */
class ScratchMembers implements MemberStore {
  readonly #directory: string;
  readonly #path: string;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#path = join(directory, `.overlayer-${randomUUID()}`);
  }

  async keep({ entry, body }: TarEntryReader): Promise<LocalFile> {
    try {
      this.#file ??= await openNameless(this.#path);
      const offset = this.#size;
      const sha256 = createHash('sha256');
      for await (const chunk of body()) {
        sha256.update(chunk);
        await this.#file.write(chunk, 0, chunk.length, this.#size);
        this.#size += chunk.length;
      }
      const digest = `sha256:${sha256.digest('hex')}` as const;
      checkMember(entry, digest);
      return {
        digest,
        bytes: { path: descriptorPath(this.#file.fd, this.#path), offset, length: entry.size },
      };
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
      const failure = asSystemError(error, this.#directory);
      throw fromSystemError(failure, `Cannot keep blobs of the archive in "${this.#directory}"`);
    }
  }

  async close(): Promise<void> {
    if (this.#file === undefined) return;
    await this.#file.close();
    this.#file = undefined;
    if (NEEDS_NAME) await unlink(this.#path);
  }
}

/** Not by O_TMPFILE, which FUSE, NFS and others do not have. */
async function openNameless(path: string): Promise<FileHandle> {
  const file = await open(path, O_CREAT | O_EXCL | O_RDWR, 0o600);
  try {
    if (!NEEDS_NAME) await unlink(path);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}
