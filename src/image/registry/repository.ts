import { OverlayerError } from '../../base/errors.js';
import type { Reference } from '../reference.js';
import type { Endpoint, EndpointRequest } from './endpoint.js';
import type { HttpResponse } from './http/http-response.js';
import { PassingFailure, type Retries } from './http/retries.js';
import type { RegistryNotice } from './registry-notice.js';

/** The state that the requests for one object share. */
export interface Operation {
  readonly repository: Repository;
  readonly retries: Retries;
  /** Aborted by the caller, or by the source's end. */
  readonly signal: AbortSignal;
}

interface RepositoryRequest extends EndpointRequest {
  /** The request resolves a tag, which some mirrors may not do. */
  readonly resolves?: boolean | undefined;
}

/** A repository at all servers that have it. */
export class Repository {
  readonly #name: string;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #all: readonly Endpoint[];
  /** Servers that still respond. The registry itself is the last. */
  #endpoints: readonly Endpoint[];

  constructor(
    { domain, repository }: Reference,
    endpoints: readonly Endpoint[],
    tell: (notice: RegistryNotice) => void,
  ) {
    this.#name = `${domain}/${repository}`;
    this.#tell = tell;
    this.#all = endpoints;
    this.#endpoints = endpoints;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all(this.#all.map((endpoint) => endpoint.close()));
  }

  /**
   * Returns the response of the first server that has the object.
   *
   * @throws OverlayerError the failure of the registry itself, as `Endpoint.request`
   * @throws `signal.reason`
   */
  async request(path: string, request: RepositoryRequest, retries: Retries): Promise<HttpResponse> {
    const named = { ...request, what: `${request.what} of ${this.#name}` };
    return await retries.run(() => this.#requestOnce(path, named), request.signal);
  }

  async #requestOnce(path: string, request: RepositoryRequest): Promise<HttpResponse> {
    let outcome: unknown = new OverlayerError(
      'FailedPrecondition',
      `No server is configured for ${request.what}`,
      {
        hint: 'its hosts.toml gives no server the capability to pull, or to resolve a tag',
      },
    );
    for (const endpoint of this.#endpoints) {
      if (request.resolves && !endpoint.host.canResolve) continue;
      try {
        return await endpoint.request(path, request);
      } catch (error) {
        request.signal.throwIfAborted();
        outcome = error;
        if (!endpoint.host.isMirror) break;
        // Some servers do not support HEAD.
        if (request.method !== 'HEAD') this.#giveUp(endpoint, error);
      }
    }
    throw outcome;
  }

  /** Skips a mirror for this request. A mirror that is down is dropped, since each blob would wait for its timeout. */
  #giveUp(mirror: Endpoint, failure: unknown): void {
    if (failure instanceof PassingFailure)
      this.#endpoints = this.#endpoints.filter((endpoint) => endpoint !== mirror);
    // Mirrors may be incomplete.
    if (OverlayerError.is(failure) && failure.code === 'NotFound') return;
    this.#tell({ type: 'warning', message: `${(failure as Error).message}; asking the next server` });
  }
}
