import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { parseDigest } from '../../oci/digest.js';
import { MAX_DOCUMENT_BYTES } from '../../oci/document.js';
import { isLayer, MANIFEST_MEDIA_TYPES } from '../../oci/media-types.js';
import type { Reference } from '../reference.js';
import { LentBytes } from '../source/blob-bytes.js';
import type {
  ImageSource,
  ListSourceImagesOptions,
  OpenBlob,
  OpenBlobOptions,
  SourceImage,
} from '../source/image-source.js';
import { BlobBody, type BlobResponse, contentRange } from './blob-body.js';
import { Retries } from './http/retries.js';
import { Lifetime } from './lifetime.js';
import { type ResolvedManifest, readManifest, resolveManifest } from './manifest-requests.js';
import type { RegistryAccess } from './registry-access.js';
import { onceEach, type RegistryNotice } from './registry-notice.js';
import { type Operation, openEndpoint, Repository } from './repository.js';

/** One image of a registry (OCI distribution spec, "Pull"). The URLs of descriptors are not followed. */
export class RegistrySource implements ImageSource {
  readonly description: string;
  readonly #reference: Reference;
  readonly #retries: number;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #lifetime: Lifetime;
  readonly #repository: Repository;
  /** The manifest is requested only once. */
  #resolved: ResolvedManifest | undefined;

  constructor(access: RegistryAccess) {
    const { reference, hosts, retries, onNotice = () => {} } = access;
    this.description = reference.domain;
    this.#reference = reference;
    this.#retries = retries;
    this.#tell = onceEach(onNotice);
    this.#lifetime = new Lifetime(access.deadlineMs, `${reference.name} did not arrive`);
    const shared = { ...access, ending: this.#lifetime.signal, tell: this.#tell };
    const endpoints = hosts.map((host) => openEndpoint(host, reference, shared));
    this.#repository = new Repository(reference, endpoints, this.#tell);
  }

  async images({ known, signal }: ListSourceImagesOptions = {}): Promise<readonly SourceImage[]> {
    this.#resolved = await resolveManifest(this.#reference, known, this.#begin(signal));
    return [{ name: this.#reference.name, target: this.#resolved.target }];
  }

  async open(blob: Descriptor, { offset = 0, signal }: OpenBlobOptions = {}): Promise<OpenBlob> {
    parseDigest(blob.digest);
    if (offset > blob.size)
      throw new OverlayerError('InvalidArgument', `${blob.digest} has ${blob.size} bytes, not ${offset}`);
    const operation = this.#begin(signal);
    if (blob.digest === this.#resolved?.target.digest && this.#resolved.bytes !== undefined)
      return { bytes: this.#resolved.bytes.subarray(offset), offset };
    if (MANIFEST_MEDIA_TYPES.includes(blob.mediaType))
      return { bytes: await readManifest(blob, operation), offset: 0 };
    if (offset === blob.size && offset > 0) return { bytes: new Uint8Array(), offset };
    const openAt = (at: number) => this.#openAt(blob, at, operation);
    const first = await openAt(offset);
    if (first.response.isEncoded && !isLayer(blob.mediaType) && blob.size <= MAX_DOCUMENT_BYTES)
      return { bytes: await first.response.read(blob.size, `Blob ${blob.digest}`), offset: 0 };
    return { bytes: new LentBytes(new BlobBody(blob, first, openAt, operation)), offset: first.part.start };
  }

  async close(): Promise<void> {
    this.#lifetime.end();
    await this.#repository.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(given: AbortSignal | undefined): Operation {
    const signal = this.#lifetime.during(given);
    return { repository: this.#repository, retries: new Retries(this.#retries, this.#tell), signal };
  }

  /** Requests a blob from an offset on. A server without support for the range sends the whole blob. */
  async #openAt(
    blob: Descriptor,
    offset: number,
    { repository, retries, signal }: Operation,
  ): Promise<BlobResponse> {
    const { digest, size } = blob;
    const ask = async (headers: Readonly<Record<string, string>>, accepts: readonly number[]) => {
      const request = { what: `blob ${digest}`, headers, accepts, signal };
      return await repository.request(`blobs/${digest}`, request, retries);
    };
    const whole = { start: 0, end: size };
    if (offset > 0) {
      // Some servers refuse or ignore a range without an end.
      const response = await ask({ range: `bytes=${offset}-${size - 1}` }, [200, 206, 416]);
      if (response.status === 200) return { response, part: whole };
      const part = response.status === 206 ? contentRange(response, size) : undefined;
      if (part !== undefined && part.start <= offset && offset < part.end) return { response, part };
      await response.discard();
    }
    return { response: await ask({}, [200]), part: whole };
  }
}
