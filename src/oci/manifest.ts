import * as v from 'valibot';
import { OverlayerError } from '../base/errors.js';
import {
  type AmbiguousField,
  ambiguous,
  findAmbiguous,
  namesShape,
  objectShape,
  refuseAmbiguous,
} from './ambiguous-fields.js';
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

/** An image manifest (OCI image spec, manifest.md). Docker's schema 2 has the same form. */
export interface ImageManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  /** The lowest layer is first. */
  readonly layers: readonly Descriptor[];
  /** The media type of an artifact that is not an image (manifest.md "artifactType"). */
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** An image index (OCI image spec, image-index.md). Docker's manifest list has the same form. */
export interface ImageIndex {
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  /** Invalid entries. They do not affect the others. */
  readonly unreadable: readonly UnreadableEntry[];
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/**
 * Most entries of an index. Each invalid one has an error: 800,000 of them, in 19 MB, take 23 s and 990 MB. Registries and
 * tools write a few dozen.
 */
const MAX_INDEX_ENTRIES = 65_536;

/** An invalid entry of an index. */
export interface UnreadableEntry extends Pick<Descriptor, 'annotations' | 'platform'> {
  readonly error: OverlayerError;
}

/** Go reads an absent number as 0. */
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

/** The fields that decide which image is read. */
const DESCRIPTOR_FIELDS = { mediaType: 'value', digest: 'value', size: 'value' } as const;
const DESCRIPTOR_SHAPE = objectShape(DESCRIPTOR_FIELDS);
const ENTRY_SHAPE = objectShape({
  ...DESCRIPTOR_FIELDS,
  platform: namesShape(['os', 'architecture', 'variant', 'os.version']),
  annotations: 'value',
});
const MANIFEST_SHAPE = objectShape({
  schemaVersion: 'value',
  mediaType: 'value',
  artifactType: 'value',
  config: DESCRIPTOR_SHAPE,
  layers: [DESCRIPTOR_SHAPE],
});
const INDEX_SHAPE = objectShape({ schemaVersion: 'value', mediaType: 'value', manifests: [ENTRY_SHAPE] });

const EntrySchema = v.object({ platform: lenient(PlatformSchema), annotations: AnnotationsSchema });

/**
 * @param mediaType of the descriptor that led to the bytes, or of the registry's answer
 * @throws OverlayerError
 *   - `InvalidArgument`: not a manifest of that media type. The message names the invalid field
 *   - `Unimplemented`: Docker's schema 1, a digest other than sha256
 *   - `ResourceExhausted`: past `MAX_DOCUMENT_BYTES`
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): ImageManifest {
  checkMediaType(mediaType, 'manifest', isManifest(mediaType));
  const document = parseObject(bytes, 'manifest');
  checkKind(document, mediaType, 'manifest', ['manifests']);
  refuseAmbiguous(findAmbiguous(bytes, MANIFEST_SHAPE), 'manifest');
  const { config, layers, artifactType, annotations } = checkFields(document, ManifestSchema, 'manifest');
  return { mediaType, config, layers, artifactType, annotations };
}

/**
 * @param mediaType as in `parseManifest`. Undefined for the index of a layout, which has no descriptor: its own field
 * counts
 * @throws OverlayerError as `parseManifest` does; `ResourceExhausted` also past `MAX_INDEX_ENTRIES`
 */
export function parseIndex(bytes: Uint8Array, mediaType?: string): ImageIndex {
  if (mediaType !== undefined) checkMediaType(mediaType, 'index', isIndex(mediaType));
  const document = parseObject(bytes, 'index');
  const { mediaType: own } = document;
  const its = mediaType ?? (typeof own === 'string' && isIndex(own) ? own : MEDIA_TYPE.index);
  checkKind(document, its, 'index', ['config', 'layers']);
  const { manifests: entries, annotations } = checkFields(document, IndexSchema, 'index');
  if (entries.length > MAX_INDEX_ENTRIES)
    throw new OverlayerError(
      'ResourceExhausted',
      `Cannot read the index: ${entries.length} entries, of ${MAX_INDEX_ENTRIES} at most`,
      { hint: 'put the images into several indexes' },
    );
  const { own: ofIndex, inEntries } = splitByEntry(findAmbiguous(bytes, INDEX_SHAPE));
  refuseAmbiguous(ofIndex, 'index');
  const manifests: Descriptor[] = [];
  const unreadable: UnreadableEntry[] = [];
  for (const [at, entry] of entries.entries())
    try {
      const odd = inEntries.get(at);
      if (odd !== undefined) throw ambiguous(odd, 'index');
      manifests.push(parseDescriptor(entry, `index: entry ${at}`));
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      unreadable.push({ error, ...(v.is(EntrySchema, entry) ? v.parse(EntrySchema, entry) : {}) });
    }
  return { mediaType: its, manifests, unreadable, annotations };
}

/** Entries of an index are read independently. */
function splitByEntry(fields: readonly AmbiguousField[]) {
  const own: AmbiguousField[] = [];
  const inEntries = new Map<number, AmbiguousField>();
  for (const field of fields) {
    const [, entry] = field.path;
    if (typeof entry === 'number') inEntries.set(entry, field);
    else own.push(field);
  }
  return { own, inEntries };
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
 * Refuses documents that one reader takes for a manifest and another for an index (CVE-2021-41190). The document's
 * media type must be its descriptor's, and it must not have fields of the other kind. Case is ignored, and null and an
 * empty string count as absent, as in Go's JSON reader.
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
    { hint: 'two tools could read the document as different images: do not trust its source' },
  );
}

function schema1(what: string): OverlayerError {
  return new OverlayerError('Unimplemented', `Cannot read the ${what}: it is of Docker's schema 1`, {
    hint: 'push the image again with a current tool, or convert it: skopeo copy --format v2s2',
  });
}
