import type { Descriptor } from '../../../oci/descriptor.js';
import type { HttpResponse } from '../http/http-response.js';
import type { Retries } from '../http/retries.js';
import type { Endpoint, Operation, Repository } from '../repository.js';
import type { BlobResponse, Range } from './range-reader.js';

/** Answers of a server to a URL that was valid for some time only. S3 answers 400 for an expired token. */
const EXPIRED: readonly number[] = [400, 401, 403, 404, 410];

/** The server does not send ranges of the blob, or they are of another object. */
class NoRangesError extends Error {
  override readonly name = 'NoRangesError';
}

/** Where ranges of a blob are requested. */
interface Origin {
  readonly endpoint: Endpoint;
  /** The URL to which the server redirected the last request. Asking it directly saves a round trip for each range. */
  readonly redirect: URL | undefined;
  /** The headers that name the object. */
  readonly identity: readonly (string | undefined)[];
}

/** Requests for one blob. */
export class BlobRequests {
  readonly #blob: Descriptor;
  readonly #repository: Repository;
  readonly #path: string;
  readonly #what: string;
  #origin: Origin | undefined;

  constructor(blob: Descriptor, { repository }: Pick<Operation, 'repository'>) {
    this.#blob = blob;
    this.#repository = repository;
    this.#path = `blobs/${blob.digest}`;
    this.#what = `blob ${blob.digest}`;
  }

  /**
   * Requests the blob from an offset on, of the first server that has it. A server without support for the range sends the
   * whole blob.
   */
  async open(
    offset: number,
    { retries, signal }: Pick<Operation, 'retries' | 'signal'>,
  ): Promise<BlobResponse> {
    const { size } = this.#blob;
    const ask = async (headers: Readonly<Record<string, string>>, accepts: readonly number[]) => {
      const request = { what: this.#what, headers, accepts, signal };
      const { endpoint, response } = await this.#repository.locate(this.#path, request, retries);
      this.#origin = this.#originOf(endpoint, response);
      return response;
    };
    const whole = { start: 0, end: size };
    if (offset > 0) {
      // Some servers refuse or ignore a range without an end.
      const response = await ask(rangeHeader({ start: offset, end: size }), [200, 206, 416]);
      if (response.status === 200) return { response, range: whole };
      const range = response.status === 206 ? contentRange(response, size) : undefined;
      if (range !== undefined && range.start <= offset && offset < range.end) return { response, range };
      await response.discard();
    }
    return { response: await ask({}, [200]), range: whole };
  }

  /**
   * Requests a range of the same object from the server of the last response to `open`.
   *
   * @throws NoRangesError
   */
  async range(range: Range, retries: Retries, signal: AbortSignal): Promise<BlobResponse> {
    const origin = this.#origin;
    if (origin === undefined) throw new NoRangesError();
    const response = await this.#ask(origin, range, { retries, signal });
    const sent = response.status === 206 ? contentRange(response, this.#blob.size) : undefined;
    const isRight = sent !== undefined && sent.start <= range.start && range.start < sent.end;
    if (isRight && !response.isEncoded && isSame(origin.identity, identityOf(response)))
      return { response, range: sent };
    response.destroy();
    throw new NoRangesError();
  }

  async #ask(
    { endpoint, redirect }: Origin,
    range: Range,
    { retries, signal }: Pick<Operation, 'retries' | 'signal'>,
  ): Promise<HttpResponse> {
    const accepts = [200, 206, 416];
    const request = { what: this.#what, headers: rangeHeader(range), signal };
    if (redirect !== undefined) {
      const answers = { ...request, accepts: [...accepts, ...EXPIRED] };
      const response = await this.#repository.requestFrom(endpoint, redirect, answers, retries);
      if (!EXPIRED.includes(response.status)) return response;
      await response.discard();
    }
    const response = await this.#repository.requestFrom(
      endpoint,
      this.#path,
      { ...request, accepts },
      retries,
    );
    if (this.#origin?.redirect === redirect && response.status === 206)
      this.#origin = this.#originOf(endpoint, response);
    return response;
  }

  #originOf(endpoint: Endpoint, response: HttpResponse): Origin {
    const redirect = endpoint.redirected(this.#path, response);
    return { endpoint, redirect, identity: identityOf(response) };
  }
}

function rangeHeader({ start, end }: Range): Readonly<Record<string, string>> {
  return { range: `bytes=${start}-${end - 1}` };
}

/**
 * Reads the `Content-Range` of a response with status 206 (RFC 9110, 14.4). Undefined when it is missing or malformed, or
 * contradicts the length of the response or the blob.
 */
function contentRange(response: HttpResponse, size: number): Range | undefined {
  const pattern = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/;
  const [, first, last, total] = pattern.exec(response.header('content-range') ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  const [start, end] = [Number(first), Number(last) + 1];
  const isRight = start < end && end <= size && (total === '*' || Number(total) === size);
  return isRight && (response.length ?? end - start) === end - start ? { start, end } : undefined;
}

function identityOf(response: HttpResponse): Origin['identity'] {
  return ['etag', 'docker-content-digest'].map((name) => response.header(name));
}

/** Whether two responses may be of the same object. A server may leave out a header. */
function isSame(one: Origin['identity'], other: Origin['identity']): boolean {
  return one.every((value, index) => [undefined, value].includes(other[index]) || value === undefined);
}
