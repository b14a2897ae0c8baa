import { createHash } from 'node:crypto';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES } from '../../oci/document.js';
import { MANIFEST_MEDIA_TYPES } from '../../oci/media-types.js';
import type { Reference } from '../reference.js';
import { type HttpResponse, tooLong } from './http-response.js';
import type { Operation } from './repository.js';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');

/**
 * The manifest or index that a reference names. The registry is asked for its descriptor; where it doesn't tell all of
 * it, for the manifest.
 *
 * @throws OverlayerError as `Repository.request`, and
 *   - `DataLoss`: it is not what the reference's digest says
 *   - `ResourceExhausted`: it has more than 4 MiB
 *   - `Unimplemented`: something else than an image
 */
export async function resolveManifest(reference: Reference, operation: Operation): Promise<Descriptor> {
  const { tag, digest } = reference;
  const name = digest ?? tag ?? 'latest';
  // Some registries know no HEAD; what they answer to GET says what is wrong.
  const head = await ask('HEAD', name, operation, [200, 400, 405, 501]);
  await head.discard();
  const size = head.length;
  const told = toldDigest(head);
  if (head.status !== 200 || size === undefined || told === undefined)
    return await resolveByBody(reference, name, operation);
  if (size > MAX_REGISTRY_MANIFEST_BYTES)
    throw tooLong(`Manifest ${name}`, head.url, MAX_REGISTRY_MANIFEST_BYTES);
  if (digest !== undefined && told !== digest) throw anotherDigest(head, digest, told);
  return { mediaType: mediaTypeOf(head, name), digest: told, size };
}

/** The bytes of a manifest; they are what its descriptor says. @throws OverlayerError as `resolveManifest` */
export async function readManifest(manifest: Descriptor, operation: Operation): Promise<Uint8Array> {
  const { digest, size } = manifest;
  const { response, bytes } = await get(digest, operation);
  const actual = digestOf(bytes);
  if (actual !== digest) throw anotherDigest(response, digest, actual);
  if (bytes.length === size) return bytes;
  throw new OverlayerError('DataLoss', `Manifest ${digest} has ${bytes.length} bytes, not ${size}`);
}

async function resolveByBody({ digest }: Reference, name: string, operation: Operation): Promise<Descriptor> {
  const { response, bytes } = await get(name, operation);
  const actual = digestOf(bytes);
  const expected = digest ?? toldDigest(response) ?? actual;
  if (actual !== expected) throw anotherDigest(response, expected, actual);
  return { mediaType: mediaTypeOf(response, name), digest: actual, size: bytes.length };
}

async function ask(
  method: 'GET' | 'HEAD',
  name: string,
  { repository, retries, signal }: Operation,
  accepts: readonly number[],
): Promise<HttpResponse> {
  const request = { method, headers: { accept: ACCEPT }, what: `manifest ${name}`, accepts, signal };
  return await repository.request(`manifests/${name}`, request, retries);
}

async function get(name: string, operation: Operation) {
  const { retries, signal } = operation;
  // A body that breaks off is too short to go on with: it is asked for again.
  return await retries.run(async () => {
    const response = await ask('GET', name, operation, [200]);
    const bytes = await response.read(MAX_REGISTRY_MANIFEST_BYTES, `Manifest ${name}`);
    return { response, bytes };
  }, signal);
}

function mediaTypeOf(response: HttpResponse, name: string): string {
  const [mediaType = ''] = (response.header('content-type') ?? '').split(';');
  if (MANIFEST_MEDIA_TYPES.includes(mediaType.trim())) return mediaType.trim();
  const message = `${name} of ${response.url.host} is no image, but "${displayPath(mediaType)}"`;
  const hint = 'images of Docker schema 1 are to be pushed again by a newer client';
  throw new OverlayerError('Unimplemented', message, { hint });
}

/** What the registry says; what it can't mean is no help. */
function toldDigest(response: HttpResponse): Digest | undefined {
  const text = response.header('docker-content-digest');
  try {
    return text === undefined ? undefined : parseDigest(text);
  } catch {
    return undefined;
  }
}

function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function anotherDigest({ url }: HttpResponse, expected: Digest, actual: Digest): OverlayerError {
  return new OverlayerError('DataLoss', `${url.host} gives another manifest than ${expected}: ${actual}`, {
    expected,
    actual,
  });
}
