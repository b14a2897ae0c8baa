import type { Authorizer } from './authorizer.js';
import type { HttpClient, HttpRequest } from './http-client.js';
import type { HttpResponse } from './http-response.js';
import { isNotTLS } from './network-failure.js';
import { responseFailure } from './response-failure.js';
import { PassingFailure } from './retries.js';

export interface EndpointRequest extends Omit<HttpRequest, 'authorization'> {
  readonly signal: AbortSignal;
  /** For the message: `manifest 12`. */
  readonly what: string;
  /** Statuses that are no failure. */
  readonly accepts: readonly number[];
}

/** A server that has the repository: a mirror, or the registry itself. */
export class Endpoint {
  readonly isMirror: boolean;
  /** Of the repository, best first. One, once it is known how the server is to be spoken to. */
  #bases: readonly URL[];
  readonly #client: HttpClient;
  readonly #authorizer: Authorizer;

  constructor(isMirror: boolean, bases: readonly URL[], client: HttpClient, authorizer: Authorizer) {
    this.isMirror = isMirror;
    this.#bases = bases;
    this.#client = client;
    this.#authorizer = authorizer;
  }

  /**
   * @param path below the repository's own: `manifests/12`
   * @throws PassingFailure; OverlayerError `NotFound`, `Unauthenticated`, `PermissionDenied`, `Unavailable`
   */
  async request(path: string, request: EndpointRequest): Promise<HttpResponse> {
    const response = await this.#authorized(path, request);
    if (request.accepts.includes(response.status)) return response;
    throw await responseFailure(response, request.what);
  }

  /** Only the server itself gets to know who asks: not one that it redirects to, whatever that says. */
  async #authorized(path: string, request: EndpointRequest): Promise<HttpResponse> {
    const { url, authorization, response } = await this.#reach(path, request);
    if (response.status !== 401 || response.url.origin !== url.origin) return response;
    const answer = await this.#authorizer.answer(response, authorization, request.signal);
    if (answer === undefined) return response;
    await response.discard();
    return await this.#client.request(url, { ...request, authorization: answer });
  }

  async #reach(path: string, request: EndpointRequest) {
    const bases = this.#bases;
    for (const [index, base] of bases.entries()) {
      const url = new URL(path, base);
      const authorization = await this.#authorizer.header(url, request.signal);
      try {
        const response = await this.#client.request(url, { ...request, authorization });
        this.#bases = [base];
        return { url, authorization, response };
      } catch (error) {
        request.signal.throwIfAborted();
        if (index === bases.length - 1 || !mayBePlain(error)) throw error;
      }
    }
    throw new RangeError('An endpoint has a URL');
  }
}

/** What a server that knows no TLS does with whoever begins it. One that is not trusted is never asked without. */
function mayBePlain(error: unknown): boolean {
  return error instanceof PassingFailure || isNotTLS(Object(error).cause);
}
