import * as v from 'valibot';
import { OverlayerError } from '../../base/errors.js';
import type { Digest } from '../../oci/digest.js';
import { checkFields, maybe, parseJson, quoted } from '../../oci/document.js';
import { parseIndex } from '../../oci/manifest.js';
import { isIndex, isManifest } from '../../oci/media-types.js';
import { imageName } from './image-name.js';
import type { LocalImages } from './local-file.js';
import { type LocalFile, readWholeFile } from './local-file.js';

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
