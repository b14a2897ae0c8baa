import { OverlayerError } from '../../../base/errors.js';
import type { Digest } from '../../../oci/digest.js';
import type { HttpMethod } from '../http/http-client.js';
import type { HttpResponse } from '../http/http-response.js';
import type { StreamedBody } from '../http/request-body.js';
import { PassingFailure } from '../http/retries.js';
import type { Endpoint } from '../repository.js';

/** The registry does not know the session, or has other bytes than the request continues. The session's state tells which. */
const LOST = [404, 416];
/** Registries differ in the status of a stored blob. */
const STORED = [200, 201, 204];
const RANGE = /^(?:bytes=)?0-(\d{1,15})$/;
const BYTES_TYPE = { 'content-type': 'application/octet-stream' };
/** A cancelled push does not wait longer for the registry to forget an upload. */
const CANCEL_MS = 5_000;

interface UploadPlace {
  readonly endpoint: Endpoint;
  /** The blob, for messages. */
  readonly what: string;
}

/** An upload that a registry has begun. Each response may give the URL of the next request (distribution spec, "Push"). */
export class UploadSession {
  readonly #place: UploadPlace;
  #location: URL;
  /** `OCI-Chunk-Min-Length`: least size in bytes of each chunk but the last. */
  readonly minChunkBytes: number;

  /** @param response of status 202 to the request that begins the upload */
  constructor(place: UploadPlace, response: HttpResponse) {
    this.#place = place;
    this.#location = this.#follow(response) ?? missing(place, response);
    const least = response.header('oci-chunk-min-length') ?? '';
    this.minChunkBytes = /^\d{1,15}$/.test(least) ? Number(least) : 0;
  }

  /** @throws PassingFailure; OverlayerError as `Endpoint.request` */
  static async begin(place: UploadPlace, signal: AbortSignal): Promise<UploadSession> {
    const { endpoint, what } = place;
    const request = { method: 'POST', what, signal, accepts: [202] } as const;
    const response = await endpoint.request('blobs/uploads/', request);
    await response.discard();
    return new UploadSession(place, response);
  }

  /** Sends a whole blob in one request. */
  async put(digest: Digest, body: StreamedBody, signal: AbortSignal): Promise<void> {
    await this.#ask('PUT', { to: this.#final(digest), body, headers: BYTES_TYPE, signal, accepts: STORED });
  }

  /**
   * Sends the bytes from `start` on.
   *
   * @throws PassingFailure also when the registry has kept a part of them
   */
  async append(start: number, body: StreamedBody, signal: AbortSignal): Promise<void> {
    const end = start + body.length;
    const headers = { ...BYTES_TYPE, 'content-range': `${start}-${end - 1}` };
    const response = await this.#ask('PATCH', { body, headers, signal, accepts: [202, ...STORED] });
    this.#location = this.#follow(response) ?? this.#location;
    const kept = keptBytes(response);
    if (kept === undefined || kept === end) return;
    const { what } = this.#place;
    const message = `${response.url.host} has ${kept} bytes of ${what} after ${end} were sent`;
    throw new PassingFailure(new OverlayerError('Unavailable', message));
  }

  /** Makes the bytes that were sent a blob. The registry compares them with the digest. */
  async finish(digest: Digest, signal: AbortSignal): Promise<void> {
    await this.#ask('PUT', { to: this.#final(digest), signal, accepts: STORED });
  }

  /**
   * The number of bytes that the registry has; undefined when the session is lost, or the registry does not tell.
   *
   * @throws PassingFailure
   */
  async offset(signal: AbortSignal): Promise<number | undefined> {
    try {
      const response = await this.#ask('GET', { signal, accepts: [200, 202, 204] });
      this.#location = this.#follow(response) ?? this.#location;
      // `0-0` is one byte by the specification, and none in docker-registry.
      return response.header('range') === '0-0' ? undefined : keptBytes(response);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof PassingFailure) throw error;
      return undefined;
    }
  }

  /** Makes the registry forget the upload, if it can. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(CANCEL_MS);
    await this.#ask('DELETE', { signal, accepts: [200, 202, 204] }).catch(() => {});
  }

  async #ask(method: HttpMethod, { to = this.#location, ...request }: UploadRequest): Promise<HttpResponse> {
    const { endpoint, what } = this.#place;
    const passing = method === 'PUT' || method === 'PATCH' ? LOST : [];
    const response = await endpoint.request(to, { ...request, method, what, passing });
    await response.discard();
    return response;
  }

  /** The query of the URL stays as the registry wrote it: it may be signed. */
  #final(digest: Digest): URL {
    const url = new URL(this.#location);
    url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
    return url;
  }

  #follow(response: HttpResponse): URL | undefined {
    const location = response.header('location');
    if (location === undefined) return undefined;
    const { endpoint, what } = this.#place;
    const url = endpoint.linked(location, response);
    if (url !== undefined) return url;
    const message = `${response.url.host} sends ${what} to a URL that is not allowed`;
    throw new OverlayerError('Unavailable', message, {
      hint: 'only https is followed, unless the registry itself is without TLS; a proxy in front of it must pass X-Forwarded-Proto on',
    });
  }
}

function missing({ what }: UploadPlace, { url: { host } }: HttpResponse): never {
  throw new OverlayerError('Unavailable', `${host} does not tell where to send ${what}`);
}

interface UploadRequest {
  /** @default the session's URL */
  readonly to?: URL | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: StreamedBody | undefined;
  readonly signal: AbortSignal;
  readonly accepts: readonly number[];
}

/** `Range: 0-99` means 100 bytes. */
function keptBytes(response: HttpResponse): number | undefined {
  const last = RANGE.exec(response.header('range') ?? '')?.[1];
  return last === undefined ? undefined : Number(last) + 1;
}
