import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES, quoted } from '../../oci/document.js';
import { isSchema1, MANIFEST_MEDIA_TYPES, MEDIA_TYPE } from '../../oci/media-types.js';
import type { Reference } from '../reference.js';
import { sha256 } from '../source/blob-bytes.js';
import type { HttpResponse } from './http/http-response.js';
import { Retries } from './http/retries.js';
import type { Operation } from './repository.js';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');

export interface ResolvedManifest {
  readonly target: Descriptor;
  /** Undefined when only the digest was requested. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * Resolves a reference to its manifest or index.
 *
 * @param known the descriptor of the last pull. A HEAD request, which rate limits don't count, checks whether it is still
 *   current. Only the digest of the response is used: some registries refuse HEAD, and its length and type are often wrong
 * @throws OverlayerError as `Repository.request`, and
 *   - `DataLoss`: the manifest does not have the digest of the reference
 *   - `ResourceExhausted`: it is larger than 4 MiB
 *   - `Unimplemented`: it is not an image
 */
export async function resolveManifest(
  { tag, digest }: Reference,
  known: Descriptor | undefined,
  operation: Operation,
): Promise<ResolvedManifest> {
  const name = digest ?? tag ?? 'latest';
  if (known !== undefined && (await headDigest(name, operation)) === known.digest)
    return { target: known, bytes: undefined };
  const { response, bytes } = await get(name, operation);
  const actual = sha256(bytes);
  const expected = digest ?? toldDigest(response) ?? actual;
  if (actual !== expected) throw anotherDigest(response, expected, actual);
  const mediaType = manifestMediaType(response, bytes, name);
  return { target: { mediaType, digest: actual, size: bytes.length }, bytes };
}

/** Reads a manifest and verifies it. @throws OverlayerError as `resolveManifest` */
export async function readManifest(manifest: Descriptor, operation: Operation): Promise<Uint8Array> {
  const { digest, size } = manifest;
  const { response, bytes } = await get(digest, operation);
  const actual = sha256(bytes);
  if (actual !== digest) throw anotherDigest(response, digest, actual);
  if (bytes.length === size) return bytes;
  throw new OverlayerError('DataLoss', `Manifest ${digest} has ${bytes.length} bytes, not ${size}`);
}

async function headDigest(name: string, operation: Operation): Promise<Digest | undefined> {
  try {
    const head = await ask('HEAD', name, { ...operation, retries: new Retries(0) });
    await head.discard();
    return toldDigest(head);
  } catch {
    operation.signal.throwIfAborted();
    return undefined;
  }
}

async function ask(
  method: 'GET' | 'HEAD',
  name: string,
  { repository, retries, signal }: Operation,
): Promise<HttpResponse> {
  const resolves = !name.includes(':');
  const request = {
    method,
    headers: { accept: ACCEPT },
    what: `manifest ${name}`,
    accepts: [200],
    signal,
    resolves,
  };
  return await repository.request(`manifests/${name}`, request, retries);
}

async function get(name: string, operation: Operation) {
  const { retries, signal } = operation;
  // Manifests are small: after a broken connection the whole body is requested again.
  return await retries.run(async () => {
    const response = await ask('GET', name, operation);
    const bytes = await response.read(MAX_REGISTRY_MANIFEST_BYTES, `Manifest ${name}`);
    return { response, bytes };
  }, signal);
}

/** The digest in the response's header; undefined when it is malformed. */
function toldDigest(response: HttpResponse): Digest | undefined {
  const text = response.header('docker-content-digest');
  try {
    return text === undefined ? undefined : parseDigest(text);
  } catch {
    return undefined;
  }
}

function anotherDigest({ url }: HttpResponse, expected: Digest, actual: Digest): OverlayerError {
  return new OverlayerError('DataLoss', `${url.host} gives another manifest than ${expected}: ${actual}`, {
    expected,
    actual,
  });
}

/**
 * The media type of a manifest: the one in the document, else the `Content-Type`, else one derived from the document's
 * fields. Many registries and proxies send a general `Content-Type`, or none.
 *
 * @param name of the manifest, for the message
 * @throws OverlayerError `Unimplemented`: it is not an image; `Unavailable`: the response is not a registry's
 */
function manifestMediaType(response: HttpResponse, bytes: Uint8Array, name: string): string {
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

/** `mediaType` is optional in OCI documents (image spec, manifest.md, image-index.md). */
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
