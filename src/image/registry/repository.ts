import { OverlayerError } from '../../base/errors.js';
import type { Reference } from '../reference.js';
import type { Endpoint, EndpointRequest } from './endpoint.js';
import type { HttpResponse } from './http/http-response.js';
import { PassingFailure, type Retries } from './http/retries.js';
import type { RegistryNotice } from './registry-notice.js';

/** What the requests for one thing have in common. */
export interface Operation {
  readonly repository: Repository;
  readonly retries: Retries;
  /** The caller's, and that of the source's end. */
  readonly signal: AbortSignal;
}

interface RepositoryRequest extends EndpointRequest {
  /** It resolves a tag, which some mirrors are not trusted to do. */
  readonly resolves?: boolean | undefined;
}

/** A repository, wherever it is to be had. */
export class Repository {
  readonly #name: string;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #all: readonly Endpoint[];
  /** Those that still answer. The registry itself is the last. */
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
   * The answer of the first that has it.
   *
   * @throws OverlayerError what the registry itself comes to, as `Endpoint.request`
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
        // HEAD is a question that some can't answer.
        if (request.method !== 'HEAD') this.#giveUp(endpoint, error);
      }
    }
    throw outcome;
  }

  /** For this request; one that is down, and would cost its time-out for each blob, for all. */
  #giveUp(mirror: Endpoint, failure: unknown): void {
    if (failure instanceof PassingFailure)
      this.#endpoints = this.#endpoints.filter((endpoint) => endpoint !== mirror);
    // Mirrors need not have everything.
    if (OverlayerError.is(failure) && failure.code === 'NotFound') return;
    this.#tell({ type: 'warning', message: `${(failure as Error).message}; asking the next server` });
  }
}
