import { pipeline } from 'node:stream/promises';
import { type Header, type Pack, pack } from 'tar-stream';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { ContentStore } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Digest } from '../../oci/digest.js';
import { DOCKER_MANIFEST_FILE } from '../archive/docker-archive.js';
import type { SourceImage } from '../source/image-source.js';
import { blobName, INDEX_FILE, LAYOUT_FILE } from '../source/layout-images.js';
import { dockerDocument, type ExportedImage, indexDocument, LAYOUT_DOCUMENT } from './export-documents.js';
import { findImageBlobs } from './image-blobs.js';
import { readVerified } from './read-verified.js';

/** See `exportImages`. */
export async function* writeImageArchive(
  content: ContentStore,
  images: readonly SourceImage[],
  options: AbortableOptions,
): AsyncGenerator<Uint8Array, void, void> {
  if (images.length === 0) throw new OverlayerError('InvalidArgument', 'There is no image to export');
  const found: ExportedImage[] = [];
  for (const image of images.toSorted(byName))
    found.push({ image, ...(await findImageBlobs(content, image.target, options)) });
  const archive = pack();
  const written = writeArchive(archive, content, found, options);
  written.catch(() => archive.destroy());
  try {
    yield* archive as AsyncIterable<Uint8Array>;
  } catch (error) {
    await written; // what has ended it tells more
    throw error;
  } finally {
    archive.destroy();
  }
  await written;
}

/** Members by their names, without owners and times. */
async function writeArchive(
  archive: Pack,
  content: ContentStore,
  images: readonly ExportedImage[],
  options: AbortableOptions,
): Promise<void> {
  const blobs = new Map<Digest, Descriptor>(images.flatMap((image) => [...image.blobs]));
  for (const name of ['blobs/', 'blobs/sha256/'])
    archive.entry(headers({ name, type: 'directory', mode: 0o755 }));
  for (const blob of [...blobs.values()].toSorted(byDigest)) {
    const entry = archive.entry(headers({ name: blobName(blob.digest), size: blob.size }));
    await pipeline(readVerified(content, blob, options), entry);
  }
  const documents = {
    [INDEX_FILE]: indexDocument(images),
    [DOCKER_MANIFEST_FILE]: dockerDocument(images),
    [LAYOUT_FILE]: LAYOUT_DOCUMENT,
  };
  for (const [name, document] of Object.entries(documents))
    archive.entry(headers({ name }), JSON.stringify(document));
  archive.finalize();
}

type EntryFields = Partial<Header> & Pick<Header, 'name'>;

/** What the members have in common. */
function headers(fields: EntryFields): EntryFields {
  return { mode: 0o444, uid: 0, gid: 0, mtime: new Date(0), ...fields };
}

function byName(a: SourceImage, b: SourceImage): number {
  return compare(a.name ?? '', b.name ?? '') || byDigest(a.target, b.target);
}

function byDigest(a: Descriptor, b: Descriptor): number {
  return compare(a.digest, b.digest);
}

/** By their characters' codes: in every language the same. */
function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
