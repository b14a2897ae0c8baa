import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { type Digest, parseDigest } from '../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES } from '../../oci/document.js';
import { MANIFEST_MEDIA_TYPES } from '../../oci/media-types.js';
import type { Reference } from '../reference.js';
import { sha256 } from '../source/blob-bytes.js';
import type { HttpResponse } from './http/http-response.js';
import { Retries } from './http/retries.js';
import { manifestMediaType } from './manifest-media-type.js';
import type { Operation } from './repository.js';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');

export interface ResolvedManifest {
  readonly target: Descriptor;
  /** Where they came with it. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * The manifest or index that a reference names.
 *
 * @param known what it was the last time: HEAD, which rate limits don't count, asks whether it still is. Only the digest of
 *   the answer counts: some registries refuse HEAD, and its length and type are often wrong
 * @throws OverlayerError as `Repository.request`, and
 *   - `DataLoss`: it is not what the reference's digest says
 *   - `ResourceExhausted`: it has more than 4 MiB
 *   - `Unimplemented`: something else than an image
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

/** The bytes of a manifest; they are what its descriptor says. @throws OverlayerError as `resolveManifest` */
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
  // A body that breaks off is too short to go on with: it is asked for again.
  return await retries.run(async () => {
    const response = await ask('GET', name, operation);
    const bytes = await response.read(MAX_REGISTRY_MANIFEST_BYTES, `Manifest ${name}`);
    return { response, bytes };
  }, signal);
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

function anotherDigest({ url }: HttpResponse, expected: Digest, actual: Digest): OverlayerError {
  return new OverlayerError('DataLoss', `${url.host} gives another manifest than ${expected}: ${actual}`, {
    expected,
    actual,
  });
}
