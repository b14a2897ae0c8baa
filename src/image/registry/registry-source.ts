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
import { BlobBody } from './blob/blob-body.js';
import { BlobRequests } from './blob/blob-requests.js';
import { ConnectionBudget } from './blob/connection-budget.js';
import { Retries } from './http/retries.js';
import { Lifetime } from './lifetime.js';
import { type ResolvedManifest, readManifest, resolveManifest } from './manifest-requests.js';
import type { RegistryAccess } from './registry-access.js';
import { onceEach, type RegistryNotice } from './registry-notice.js';
import { type Operation, openEndpoint, Repository } from './repository.js';

/** One image of a registry (OCI distribution spec, "Pull"). The URLs of descriptors are not followed. */
export class RegistrySource implements ImageSource {
  readonly description: string;
  readonly isRemote = true;
  readonly #reference: Reference;
  readonly #retries: number;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #lifetime: Lifetime;
  readonly #repository: Repository;
  readonly #lanes: RegistryAccess['connections'];
  readonly #budget: ConnectionBudget;
  /** The manifest is requested only once. */
  #resolved: ResolvedManifest | undefined;

  constructor(access: RegistryAccess) {
    const { reference, hosts, retries, onNotice = () => {} } = access;
    this.description = reference.domain;
    this.#reference = reference;
    this.#retries = retries;
    this.#lanes = access.connections;
    this.#budget = new ConnectionBudget(access.connections.most);
    this.#tell = onceEach(onNotice);
    this.#lifetime = new Lifetime(access.deadlineMs, `${reference.name} did not arrive`);
    const shared = { ...access, ending: this.#lifetime.signal, tell: this.#tell };
    const endpoints = hosts.map((host) => openEndpoint(host, reference, shared));
    this.#repository = new Repository(reference, endpoints, this.#tell);
  }

  get connections(): number {
    return this.#lanes.most;
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
    const requests = new BlobRequests(blob, operation);
    const first = await requests.open(offset, operation);
    if (first.response.isEncoded && !isLayer(blob.mediaType) && blob.size <= MAX_DOCUMENT_BYTES)
      return { bytes: await first.response.read(blob.size, `Blob ${blob.digest}`), offset: 0 };
    const body = new BlobBody(blob, first, {
      ...{ requests, budget: this.#budget, connections: this.#lanes, signal: operation.signal },
      retries: () => this.#newRetries(),
    });
    return { bytes: new LentBytes(body), offset: first.range.start };
  }

  async close(): Promise<void> {
    this.#lifetime.end();
    this.#repository.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(given: AbortSignal | undefined): Operation {
    const signal = this.#lifetime.during(given);
    return { repository: this.#repository, retries: this.#newRetries(), signal };
  }

  #newRetries(): Retries {
    return new Retries(this.#retries, this.#tell, () => this.#budget.narrow());
  }
}
