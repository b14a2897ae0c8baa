import type { FileHandle } from 'node:fs/promises';
import type { AbortableOptions } from '../../base/abort.js';
import type { ByteSource } from '../../base/byte-source.js';
import { descriptorPath } from '../../base/descriptor-path.js';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import type { ContentStore } from '../../content/content-store.js';
import { openSource, pathOf } from '../../layer/open-source.js';
import type { ImageSource, OpenImagesOptions } from '../source/image-source.js';
import { type FindFile, INDEX_FILE, isLayout, readLayout } from '../source/layout-images.js';
import type { LocalImages } from '../source/local-file.js';
import { LocalImageSource, readingImages } from '../source/local-image-source.js';
import { openArchiveFile, readHandle } from './archive-file.js';
import type { ArchiveMembers } from './archive-members.js';
import { DOCKER_MANIFEST_FILE, readDockerArchive } from './docker-archive.js';
import { ContentMembers, ScratchMembers } from './member-stores.js';
import { indexArchive, ingestArchive, type MemberStore } from './read-members.js';

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
        ? 'if it is a layer, unpack it as one, by its digest or diffID'
        : `those are in "${displayPath(directory)}": pack it again from there (tar -C ${displayPath(directory)} -cf …)`,
  });
}

async function isCompressed(handle: FileHandle, path: string): Promise<boolean> {
  const head = Buffer.alloc(DETECT_BYTES);
  const { bytesRead } = await handle.read(head, 0, DETECT_BYTES, 0);
  return (await readingImages(path, async () => detectFormat(head.subarray(0, bytesRead)))) !== 'none';
}
