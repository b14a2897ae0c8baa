import { type AbortableOptions, orAborted } from '../../../base/abort.js';
import { OverlayerError } from '../../../base/errors.js';
import type { Descriptor } from '../../../oci/descriptor.js';
import { type Digest, parseDigest } from '../../../oci/digest.js';
import { MAX_REGISTRY_MANIFEST_BYTES, parseObject } from '../../../oci/document.js';
import { MANIFEST_MEDIA_TYPES, MEDIA_TYPE } from '../../../oci/media-types.js';
import type { Reference } from '../../reference.js';
import type { HasBlobOptions, ImageTarget, NewBlob, WriteBlobOptions } from '../../target/image-target.js';
import type { RegistryHost } from '../hosts/registry-hosts.js';
import { Retries } from '../http/retries.js';
import { Lifetime } from '../lifetime.js';
import type { RegistryAccess } from '../registry-access.js';
import { onceEach, type RegistryNotice } from '../registry-notice.js';
import { type Endpoint, type Operation, openEndpoint, Repository } from '../repository.js';
import { BlobUpload } from './blob-upload.js';
import { subjectOf, withReferrer } from './referrers.js';
import { UploadSession } from './upload-session.js';

/** An upload of this process. */
interface OwnUpload {
  readonly to: Reference;
  /** Resolves when the upload has ended, however it ends. */
  readonly ended: Promise<unknown>;
}

/** Uploads of all targets in this process by registry and digest, so that each blob is sent once. */
const uploads = new Map<string, OwnUpload>();

/** Changes of this process to tags of referrers, which must not overwrite each other. */
const referrers = new Map<string, Promise<unknown>>();

/** A repository of a registry that an image is pushed to (OCI distribution spec, "Push"). */
export class RegistryTarget implements ImageTarget {
  readonly description: string;
  readonly #reference: Reference;
  readonly #access: RegistryAccess;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #lifetime: Lifetime;
  readonly #endpoint: Endpoint;
  readonly #repository: Repository;
  /** Sessions that a registry began instead of mounting a blob, by digest. */
  readonly #begun = new Map<Digest, UploadSession>();
  /** Uploads that have not ended. */
  readonly #active = new Set<Promise<unknown>>();

  constructor(host: RegistryHost, access: RegistryAccess) {
    const { reference, deadlineMs, onNotice = () => {} } = access;
    this.description = `${reference.domain}/${reference.repository}`;
    this.#reference = reference;
    this.#access = access;
    this.#tell = onceEach(onNotice);
    this.#lifetime = new Lifetime(deadlineMs, `${reference.name} was not pushed`);
    const shared = { ...access, ending: this.#lifetime.signal, tell: this.#tell };
    this.#endpoint = openEndpoint(host, reference, { ...shared, actions: 'pull,push' });
    this.#repository = new Repository(reference, [this.#endpoint], this.#tell);
  }

  async has(blob: Descriptor, { origins = [], signal }: HasBlobOptions = {}): Promise<boolean> {
    parseDigest(blob.digest);
    const operation = this.#begin(signal);
    if (await this.#isThere(blob, operation)) return true;
    if (MANIFEST_MEDIA_TYPES.includes(blob.mediaType)) return false;
    const { domain, repository } = this.#reference;
    for (const origin of origins)
      if (origin.domain === domain && origin.repository !== repository)
        if (await this.#mount(blob, origin.repository, operation.signal)) return true;
    return false;
  }

  async writeBlob(blob: NewBlob, { signal, onBytes }: WriteBlobOptions = {}): Promise<Descriptor> {
    const { mediaType, digest, size } = blob;
    const operation = this.#begin(signal);
    if (digest === undefined || size === undefined) {
      const upload = this.#upload('a blob', operation, onBytes);
      return { mediaType, ...(await this.#untilEnded(upload.sendUnknown(blob.open))) };
    }
    const descriptor = { mediaType, digest: parseDigest(digest), size };
    const key = `${this.#reference.domain} ${digest}`;
    for (let other = uploads.get(key); other !== undefined; other = uploads.get(key)) {
      const { ended, to } = other;
      await orAborted(() => ended, operation.signal);
      if (!(await this.has(descriptor, { origins: [to], signal }))) continue;
      onBytes?.(size);
      return descriptor;
    }
    const session = this.#begun.get(digest);
    this.#begun.delete(digest);
    const upload = this.#upload(`blob ${digest}`, operation, onBytes, session);
    const isThere = () => this.#isThere(descriptor, operation);
    const ended = this.#untilEnded(upload.send(digest, size, blob.open, isThere));
    uploads.set(key, { to: this.#reference, ended: ended.catch(() => {}) });
    await ended.finally(() => uploads.delete(key));
    return descriptor;
  }

  async writeManifest(
    manifest: Descriptor,
    bytes: Uint8Array,
    { signal }: AbortableOptions = {},
  ): Promise<void> {
    const operation = this.#begin(signal);
    const response = await this.#putManifest(manifest.digest, manifest.mediaType, bytes, operation);
    const fields = parseObject(bytes, `manifest ${manifest.digest}`);
    const subject = subjectOf(fields);
    // The header says that the registry lists the referrers itself.
    if (subject === undefined || response.header('oci-subject') !== undefined) return;
    const tag = subject.replace(':', '-');
    const key = `${this.description}:${tag}`;
    const before = referrers.get(key);
    const change = Promise.resolve(before).then(async () => {
      const index = await withReferrer(tag, manifest, fields, operation);
      if (index !== undefined) await this.#putManifest(tag, MEDIA_TYPE.index, index, operation);
    });
    const settled = change.catch(() => {});
    referrers.set(key, settled);
    await change.finally(() => referrers.get(key) === settled && referrers.delete(key));
  }

  async name(
    _name: string | undefined,
    manifest: Descriptor,
    bytes: Uint8Array,
    { signal }: AbortableOptions = {},
  ): Promise<void> {
    const { tag, digest, name } = this.#reference;
    if (digest !== undefined && digest !== manifest.digest)
      throw new OverlayerError('InvalidArgument', `Cannot push ${manifest.digest} as ${name}`, {
        hint: 'push to a tag, or to the name alone',
      });
    if (tag !== undefined) await this.#putManifest(tag, manifest.mediaType, bytes, this.#begin(signal));
  }

  async close(): Promise<void> {
    this.#lifetime.end();
    await Promise.allSettled(this.#active);
    await Promise.all([...this.#begun.values()].map((session) => session.cancel()));
    this.#begun.clear();
    this.#repository.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #begin(given: AbortSignal | undefined): Operation {
    const signal = this.#lifetime.during(given);
    signal.throwIfAborted();
    return { repository: this.#repository, retries: new Retries(this.#access.retries, this.#tell), signal };
  }

  async #isThere({ digest, mediaType }: Descriptor, { retries, signal }: Operation): Promise<boolean> {
    const isManifest = MANIFEST_MEDIA_TYPES.includes(mediaType);
    const [path, what] = isManifest ? ['manifests', 'manifest'] : ['blobs', 'blob'];
    const headers = isManifest ? { accept: mediaType } : {};
    // Some registries refuse HEAD: the object is sent.
    const request = {
      method: 'HEAD',
      headers,
      what: `${what} ${digest}`,
      signal,
      accepts: [200, 400, 404, 405, 501],
    } as const;
    const response = await this.#repository.request(`${path}/${digest}`, request, retries);
    await response.discard();
    return response.status === 200;
  }

  /** Tries once. A registry that mounts nothing begins an upload. @returns whether the blob is there */
  async #mount({ digest }: Descriptor, from: string, signal: AbortSignal): Promise<boolean> {
    const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
    const what = `blob ${digest} of ${this.description}`;
    const request = { method: 'POST', what, signal, accepts: [201, 202], from } as const;
    try {
      const response = await this.#endpoint.request(`blobs/uploads/?${query}`, request);
      await response.discard();
      if (response.status === 201) return true;
      const place = { endpoint: this.#endpoint, what };
      const before = this.#begun.get(digest);
      this.#begun.set(digest, new UploadSession(place, response));
      await before?.cancel();
    } catch {
      signal.throwIfAborted();
    }
    return false;
  }

  #upload(
    object: string,
    { retries, signal }: Operation,
    onBytes: WriteBlobOptions['onBytes'],
    session?: UploadSession,
  ): BlobUpload {
    const what = `${object} of ${this.description}`;
    return new BlobUpload({ endpoint: this.#endpoint, what, retries, signal, onBytes, session });
  }

  /** Closing waits for the upload: its failure cancels its session. */
  async #untilEnded<T>(upload: Promise<T>): Promise<T> {
    this.#active.add(upload);
    return await upload.finally(() => this.#active.delete(upload));
  }

  async #putManifest(name: string, mediaType: string, bytes: Uint8Array, operation: Operation) {
    const { retries, signal } = operation;
    if (bytes.length > MAX_REGISTRY_MANIFEST_BYTES)
      throw new OverlayerError(
        'ResourceExhausted',
        `Manifest ${name} has ${bytes.length} bytes; registries accept ${MAX_REGISTRY_MANIFEST_BYTES}`,
      );
    const request = {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      what: `manifest ${name}`,
      signal,
      body: { length: bytes.length, open: async () => ({ bytes, offset: 0 }) },
      accepts: [200, 201, 202],
    } as const;
    const response = await this.#repository.request(`manifests/${name}`, request, retries);
    await response.discard();
    return response;
  }
}
