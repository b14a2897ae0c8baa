import { OverlayerError } from '../../../base/errors.js';
import type { Descriptor } from '../../../oci/descriptor.js';
import { MAX_REGISTRY_MANIFEST_BYTES, parseObject } from '../../../oci/document.js';
import { MEDIA_TYPE } from '../../../oci/media-types.js';
import type { Operation } from '../repository.js';

type Fields = Readonly<Record<string, unknown>>;

/** Digest of the `subject` of a manifest: the image that it is a signature or an attestation of. */
export function subjectOf(manifest: Fields): string | undefined {
  const { digest } = Object(manifest['subject']) as Fields;
  return typeof digest === 'string' ? digest : undefined;
}

/**
 * The index that lists a subject's referrers, with a manifest added (distribution spec, "Referrers Tag Schema"). Undefined when
 * it is listed already.
 *
 * @param tag of the index: `sha256-…`
 * @throws OverlayerError as `Repository.request`; `FailedPrecondition`: the tag is not an index
 */
export async function withReferrer(
  tag: string,
  descriptor: Descriptor,
  manifest: Fields,
  operation: Operation,
): Promise<Uint8Array | undefined> {
  const empty = { schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] };
  const index = (await readIndex(tag, operation)) ?? empty;
  const { manifests } = index;
  if (!Array.isArray(manifests))
    throw new OverlayerError('FailedPrecondition', `Tag ${tag} lists referrers, but it is not an index`, {
      hint: 'delete the tag in the registry',
    });
  const { mediaType, digest, size } = descriptor;
  if (manifests.some((entry) => Object(entry).digest === digest)) return undefined;
  const { artifactType = Object(manifest['config']).mediaType, annotations } = manifest;
  const entry = { mediaType, digest, size, artifactType, annotations };
  return Buffer.from(JSON.stringify({ ...index, manifests: [...manifests, entry] }));
}

async function readIndex(
  tag: string,
  { repository, retries, signal }: Operation,
): Promise<Fields | undefined> {
  const what = `manifest ${tag}`;
  const headers = { accept: MEDIA_TYPE.index };
  return await retries.run(async () => {
    const request = { headers, what, accepts: [200, 404], signal };
    const response = await repository.request(`manifests/${tag}`, request, retries);
    const bytes = await response.read(MAX_REGISTRY_MANIFEST_BYTES, `Manifest ${tag}`);
    return response.status === 404 ? undefined : parseObject(bytes, what);
  }, signal);
}
