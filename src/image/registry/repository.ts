import type { Reference } from '../reference.js';
import type { Endpoint, EndpointRequest } from './endpoint.js';
import type { HttpResponse } from './http-response.js';
import { PassingFailure, type Retries } from './retries.js';

/** What the requests for one thing have in common. */
export interface Operation {
  readonly repository: Repository;
  readonly retries: Retries;
  /** The caller's, and that of the source's end. */
  readonly signal: AbortSignal;
}

/** A repository, wherever it is to be had. */
export class Repository {
  readonly #name: string;
  /** The registry itself is the last. */
  #endpoints: readonly Endpoint[];

  constructor({ domain, repository }: Reference, endpoints: readonly Endpoint[]) {
    this.#name = `${domain}/${repository}`;
    this.#endpoints = endpoints;
  }

  /**
   * The answer of the first that has it.
   *
   * @throws OverlayerError what the registry itself comes to, as `Endpoint.request`
   * @throws `signal.reason`
   */
  async request(path: string, request: EndpointRequest, retries: Retries): Promise<HttpResponse> {
    const named = { ...request, what: `${request.what} of ${this.#name}` };
    return await retries.run(() => this.#requestOnce(path, named), request.signal);
  }

  async #requestOnce(path: string, request: EndpointRequest): Promise<HttpResponse> {
    let outcome: unknown;
    for (const endpoint of this.#endpoints) {
      try {
        return await endpoint.request(path, request);
      } catch (error) {
        request.signal.throwIfAborted();
        outcome = error;
        if (!endpoint.isMirror) break;
        // One that is down would cost its time-out for each blob. (HEAD is a question that some can't answer.)
        if (error instanceof PassingFailure && request.method !== 'HEAD') this.#leave(endpoint);
      }
    }
    throw outcome;
  }

  #leave(mirror: Endpoint): void {
    this.#endpoints = this.#endpoints.filter((endpoint) => endpoint !== mirror);
  }
}
