import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { AbortableOptions } from '../../base/abort.js';
import { iterateSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import type { FileRange } from '../../layer/options.js';
import type { Digest } from '../../oci/digest.js';
import { checkFields, MAX_DOCUMENT_BYTES, maybe, parseJson, quoted } from '../../oci/document.js';
import { parseIndex } from '../../oci/manifest.js';
import { isIndex, isManifest } from '../../oci/media-types.js';
import { imageName } from '../reference.js';
import { bytesOf } from './blob-bytes.js';
import type { PassedOver, SourceImage } from './image-source.js';

/** A file of an image layout or an image archive, in memory or in a file. */
export interface LocalFile {
  readonly bytes: Uint8Array | FileRange;
  /** Known when the bytes have been hashed already. */
  readonly digest?: Digest | undefined;
}

/** The images of a layout or an archive, and the files that hold their blobs. */
export interface LocalImages {
  /** The images as the index or the manifest lists them. */
  readonly images: readonly SourceImage[];
  readonly passedOver: readonly PassedOver[];
  findBlob(digest: Digest): LocalFile | undefined;
}

export function sizeOf({ bytes }: LocalFile): number {
  return bytes.length;
}

/** The bytes from `start` to `end`, which are both within the file. */
export function cutFile({ bytes }: LocalFile, start: number, end: number): Uint8Array | FileRange {
  if (bytes instanceof Uint8Array) return bytes.subarray(start, end);
  return { path: bytes.path, offset: bytes.offset + start, length: end - start };
}

/**
 * Reads a document into memory.
 *
 * @throws OverlayerError `ResourceExhausted` past `MAX_DOCUMENT_BYTES` (CVE-2023-25153), before anything is read
 */
export async function readWholeFile(file: LocalFile, what: string): Promise<Uint8Array> {
  const size = sizeOf(file);
  if (size > MAX_DOCUMENT_BYTES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the ${what}: ${size} bytes, of ${MAX_DOCUMENT_BYTES} at most`,
    );
  return await readAll(file);
}

/** Reads at most `length` bytes from the file's start. */
export async function readStart(file: LocalFile, length: number): Promise<Uint8Array> {
  const bytes = cutFile(file, 0, Math.min(length, sizeOf(file)));
  return await readAll({ bytes });
}

export async function hashFile(file: LocalFile, options: AbortableOptions = {}): Promise<Digest> {
  if (file.digest !== undefined) return file.digest;
  const sha256 = createHash('sha256');
  for await (const chunk of readStored(file, options)) sha256.update(chunk);
  return `sha256:${sha256.digest('hex')}`;
}

async function readAll(file: LocalFile): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readStored(file)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Each chunk stays valid until the next one is requested. */
async function* readStored(
  file: LocalFile,
  { signal }: AbortableOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  let left = sizeOf(file);
  for await (const chunk of iterateSource(bytesOf(file.bytes))) {
    signal?.throwIfAborted();
    left -= chunk.length;
    yield chunk;
  }
  if (left > 0)
    throw new OverlayerError('DataLoss', `A file has become shorter by ${left} bytes while it was read`);
}

/** Finds a file of an OCI layout. It is only called with names of the image layout specification. */
export type FindFile = (name: string) => LocalFile | undefined;

export const LAYOUT_FILE = 'oci-layout';
export const INDEX_FILE = 'index.json';

const LayoutSchema = v.object({ imageLayoutVersion: maybe(v.string()) });

/**
 * Lists the images of an OCI layout (OCI image spec, image-layout.md). Reads its index, and no manifest.
 *
 * @throws OverlayerError as `parseIndex`; `InvalidArgument` when it is not a layout
 */
export async function readLayout(find: FindFile): Promise<LocalImages> {
  checkVersion(await readWholeFile(need(find, LAYOUT_FILE), LAYOUT_FILE));
  const { manifests, unreadable } = parseIndex(await readWholeFile(need(find, INDEX_FILE), INDEX_FILE));
  return {
    images: manifests
      // The specification requires to ignore other media types (image-layout.md, "index.json").
      .filter(({ mediaType }) => isManifest(mediaType) || isIndex(mediaType))
      .map((target) => ({ name: imageName(target.annotations), target })),
    passedOver: unreadable.map(({ annotations, error }) => ({ name: imageName(annotations), error })),
    findBlob: (digest) => find(blobName(digest)),
  };
}

export function isLayout(find: FindFile): boolean {
  return find(LAYOUT_FILE) !== undefined && find(INDEX_FILE) !== undefined;
}

export function blobName(digest: Digest): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function need(find: FindFile, name: string): LocalFile {
  const file = find(name);
  if (file !== undefined) return file;
  throw new OverlayerError('InvalidArgument', `Not an OCI layout: it has no file ${name}`);
}

function checkVersion(bytes: Uint8Array): void {
  const { imageLayoutVersion } = checkFields(parseJson(bytes, LAYOUT_FILE), LayoutSchema, LAYOUT_FILE);
  if (imageLayoutVersion === undefined || /^1(\.|$)/.test(imageLayoutVersion)) return;
  throw new OverlayerError(
    'Unimplemented',
    `Cannot read the OCI layout: its version is ${quoted(imageLayoutVersion)}, not 1`,
  );
}
