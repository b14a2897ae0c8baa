import * as v from 'valibot';
import { OverlayerError } from '../base/errors.js';
import {
  AnnotationsSchema,
  ConfigDescriptorSchema,
  type Descriptor,
  DescriptorSchema,
  parseDescriptor,
} from './descriptor.js';
import { checkFields, lenient, list, maybe, parseObject, quoted } from './document.js';
import { isIndex, isManifest, isSchema1, MEDIA_TYPE } from './media-types.js';
import { PlatformSchema } from './platform-schema.js';

/** OCI image spec, manifest.md; Docker's schema 2 has the same form. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** The lowest first. */
  readonly layers: readonly Descriptor[];
  /** What it is where it is no image (manifest.md "artifactType"). */
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** OCI image spec, image-index.md; Docker's manifest list has the same form. */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  /** Entries that can't be read. They do not affect the others. */
  readonly unreadable: readonly UnreadableEntry[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** An entry of an index of which not all is right. */
export interface UnreadableEntry extends Pick<Descriptor, 'annotations' | 'platform'> {
  readonly error: OverlayerError;
}

/** Go reads a number that is not there as 0. */
const VersionSchema = maybe(v.picklist([2, 0]));

const ManifestSchema = v.object({
  schemaVersion: VersionSchema,
  config: ConfigDescriptorSchema,
  layers: list(DescriptorSchema),
  artifactType: lenient(v.string()),
  annotations: AnnotationsSchema,
});

const IndexSchema = v.object({
  schemaVersion: VersionSchema,
  manifests: list(v.unknown()),
  annotations: AnnotationsSchema,
});

const EntrySchema = v.object({ platform: lenient(PlatformSchema), annotations: AnnotationsSchema });

/**
 * @param mediaType of the descriptor that led to the bytes, or of the registry's answer
 * @throws OverlayerError
 *   - `InvalidArgument`: not a manifest of that media type; names the field at fault
 *   - `Unimplemented`: Docker's schema 1, a digest other than sha256
 *   - `ResourceExhausted`: past `MAX_DOCUMENT_BYTES`
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest {
  checkMediaType(mediaType, 'manifest', isManifest(mediaType));
  const document = parseObject(bytes, 'manifest');
  checkKind(document, mediaType, 'manifest', ['manifests']);
  const { config, layers, artifactType, annotations } = checkFields(document, ManifestSchema, 'manifest');
  return { mediaType, config, layers, artifactType, annotations };
}

/**
 * @param mediaType as of `parseManifest`; undefined for the index of a layout, which nothing leads to: then it says it itself
 * @throws OverlayerError as `parseManifest` does
 */
export function parseIndex(bytes: Uint8Array, mediaType?: string): ImageIndex {
  if (mediaType !== undefined) checkMediaType(mediaType, 'index', isIndex(mediaType));
  const document = parseObject(bytes, 'index');
  const { mediaType: own } = document;
  const its = mediaType ?? (typeof own === 'string' && isIndex(own) ? own : MEDIA_TYPE.index);
  checkKind(document, its, 'index', ['config', 'layers']);
  const { manifests: entries, annotations } = checkFields(document, IndexSchema, 'index');
  const manifests: Descriptor[] = [];
  const unreadable: UnreadableEntry[] = [];
  for (const [at, entry] of entries.entries())
    try {
      manifests.push(parseDescriptor(entry, `index: entry ${at}`));
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      unreadable.push({ error, ...(v.is(EntrySchema, entry) ? v.parse(EntrySchema, entry) : {}) });
    }
  return { mediaType: its, manifests, unreadable, annotations };
}

function checkMediaType(mediaType: string, what: string, fits: boolean): void {
  if (isSchema1(mediaType)) throw schema1(what);
  if (!fits)
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the ${what}: its media type is ${quoted(mediaType)}`,
    );
}

/**
 * One document must not be a manifest to one reader and an index to another (CVE-2021-41190): it says nothing else
 * than its descriptor does, and has no field of the other kind, in whatever case (Go's JSON reader ignores case, and
 * takes null, and an empty text, for absent).
 */
function checkKind(
  document: Readonly<Record<string, unknown>>,
  mediaType: string,
  what: string,
  foreign: readonly string[],
): void {
  const { schemaVersion, mediaType: own } = document;
  if (schemaVersion === 1 || (document['fsLayers'] ?? null) !== null) throw schema1(what);
  if (own !== undefined && own !== null && own !== '' && own !== mediaType)
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the ${what}: field mediaType says ${quoted(String(own))}, its descriptor ${mediaType}`,
    );
  const confused = Object.keys(document).find(
    (key) => foreign.includes(key.toLowerCase()) && document[key] !== null,
  );
  if (confused === undefined) return;
  throw new OverlayerError(
    'InvalidArgument',
    `Cannot read the ${what}: field ${confused} does not belong to ${mediaType}`,
    { hint: 'the document could be read as two different images; do not trust whoever made it' },
  );
}

function schema1(what: string): OverlayerError {
  return new OverlayerError('Unimplemented', `Cannot read the ${what}: it is of Docker's schema 1`, {
    hint: 'push the image again with a current tool, or convert it: skopeo copy --format v2s2',
  });
}
