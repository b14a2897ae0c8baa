import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { parseDigest } from '../../oci/digest.js';
import { MANIFEST_MEDIA_TYPES } from '../../oci/media-types.js';
import type { ImageSource, OpenBlob, OpenBlobOptions, SourceImage } from '../image-source.js';
import { LentBytes } from '../lent-bytes.js';
import type { Reference } from '../reference.js';
import { BlobBody, type BlobResponse } from './blob-body.js';
import { type EndpointOptions, endpointsOf } from './endpoints.js';
import { HttpClient } from './http-client.js';
import { readManifest, resolveManifest } from './manifest-requests.js';
import { type Operation, Repository } from './repository.js';
import { Retries } from './retries.js';

export interface RegistrySourceOptions extends EndpointOptions {
  readonly retries: number;
  readonly timeoutMs: number;
}

/** One image of a registry (OCI distribution spec, "Pull"). Where else a descriptor says a blob is, nobody goes. */
export class RegistrySource implements ImageSource {
  readonly description: string;
  readonly #reference: Reference;
  readonly #retries: number;
  readonly #client: HttpClient;
  readonly #repository: Repository;

  constructor(reference: Reference, options: RegistrySourceOptions) {
    this.description = reference.domain;
    this.#reference = reference;
    this.#retries = options.retries;
    this.#client = new HttpClient(options);
    this.#repository = new Repository(reference, endpointsOf(reference, this.#client, options));
  }

  async images({ signal }: AbortableOptions = {}): Promise<readonly SourceImage[]> {
    const target = await resolveManifest(this.#reference, this.#begin(signal));
    return [{ name: this.#reference.name, target }];
  }

  async open(blob: Descriptor, { offset = 0, signal }: OpenBlobOptions = {}): Promise<OpenBlob> {
    parseDigest(blob.digest);
    if (offset > blob.size)
      throw new OverlayerError('InvalidArgument', `${blob.digest} has ${blob.size} bytes, not ${offset}`);
    const operation = this.#begin(signal);
    if (MANIFEST_MEDIA_TYPES.includes(blob.mediaType))
      return { bytes: await readManifest(blob, operation), offset: 0 };
    if (offset === blob.size && offset > 0) return { bytes: new Uint8Array(), offset };
    const openAt = (at: number) => this.#openAt(blob, at, operation);
    const first = await openAt(offset);
    return { bytes: new LentBytes(new BlobBody(blob, first, openAt, operation)), offset: first.offset };
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(given: AbortSignal | undefined): Operation {
    const { closing } = this.#client;
    const signal = given === undefined ? closing : AbortSignal.any([given, closing]);
    return { repository: this.#repository, retries: new Retries(this.#retries), signal };
  }

  /** A server need not do ranges, or not this one: then the blob begins at its beginning. */
  async #openAt(
    blob: Descriptor,
    offset: number,
    { repository, retries, signal }: Operation,
  ): Promise<BlobResponse> {
    const ask = async (headers: Readonly<Record<string, string>>, accepts: readonly number[]) => {
      const request = { what: `blob ${blob.digest}`, headers, accepts, signal };
      return await repository.request(`blobs/${blob.digest}`, request, retries);
    };
    if (offset > 0) {
      const response = await ask({ range: `bytes=${offset}-` }, [200, 206, 416]);
      const isPart =
        response.status === 206 && response.header('content-range')?.startsWith(`bytes ${offset}-`);
      if (isPart) return { response, offset };
      if (response.status === 200) return { response, offset: 0 };
      await response.discard();
    }
    return { response: await ask({}, [200]), offset: 0 };
  }
}
