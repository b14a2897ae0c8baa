import { OverlayerError } from '../../base/errors.js';
import { quoted } from '../../oci/document.js';
import { isSchema1, MANIFEST_MEDIA_TYPES, MEDIA_TYPE } from '../../oci/media-types.js';
import type { HttpResponse } from './http/http-response.js';

/**
 * What a registry's answer is: what the document says of itself, else what the registry says, else what its fields
 * make of it. Many registries and proxies send a general `Content-Type`, or none.
 *
 * @param name of the manifest, for the message
 * @throws OverlayerError `Unimplemented`: something else than an image; `Unavailable`: not the answer of a registry
 */
export function manifestMediaType(response: HttpResponse, bytes: Uint8Array, name: string): string {
  const [type = ''] = (response.header('content-type') ?? '').split(';');
  const said = type.trim().toLowerCase();
  const fields = fieldsOf(bytes);
  const known = [fields['mediaType'], said, shapeOf(fields)].find(isKnown);
  if (known === undefined) throw notAnImage(response, bytes, { name, said, fields });
  return known;
}

type Fields = Readonly<Record<string, unknown>>;

function isKnown(mediaType: unknown): mediaType is string {
  return typeof mediaType === 'string' && MANIFEST_MEDIA_TYPES.includes(mediaType);
}

function fieldsOf(bytes: Uint8Array): Fields {
  try {
    return Object(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return {};
  }
}

/** OCI's documents need not say what they are (image spec, manifest.md, image-index.md). */
function shapeOf({ mediaType, schemaVersion, manifests, config, layers }: Fields): string | undefined {
  if (mediaType !== undefined || schemaVersion !== 2) return undefined;
  const isIndex = Array.isArray(manifests);
  const isManifest = config !== undefined && layers !== undefined;
  if (isIndex === isManifest) return undefined;
  return isIndex ? MEDIA_TYPE.index : MEDIA_TYPE.manifest;
}

interface Found {
  readonly name: string;
  readonly said: string;
  readonly fields: Fields;
}

function notAnImage(
  { url: { host } }: HttpResponse,
  bytes: Uint8Array,
  { name, said, fields }: Found,
): OverlayerError {
  const unavailable = (what: string) =>
    new OverlayerError('Unavailable', `Asked for manifest ${name}, ${host} ${what}`, {
      hint: 'is that a registry? a proxy or a login page in front of it may answer in its place',
    });
  if (bytes.length === 0) return unavailable('sends nothing');
  if (said === 'text/html' || /^\s*</.test(Buffer.from(bytes.subarray(0, 100)).toString()))
    return unavailable("answers with a web page, not with a registry's answer");
  if (isSchema1(said) || fields['schemaVersion'] === 1)
    return new OverlayerError('Unimplemented', `Manifest ${name} of ${host} is of Docker's schema 1`, {
      hint: 'push the image again with a newer client',
    });
  const type = said === '' ? 'without a media type' : `as ${quoted(said)}`;
  const { mediaType } = fields;
  const own =
    typeof mediaType === 'string' ? `it says that it is ${quoted(mediaType)}` : 'it does not say what it is';
  return new OverlayerError(
    'Unimplemented',
    `${host} sends manifest ${name} ${type}, and ${own}: it is no image`,
  );
}
