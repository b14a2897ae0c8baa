import { OverlayerError } from '../../base/errors.js';
import type { Reference } from '../reference.js';
import { Authorizer } from './auth/authorizer.js';
import type { Credentials } from './auth/credentials.js';
import { type FoundCredentials, findCredentials } from './auth/find-credentials.js';
import { isForeign, type RegistryHost } from './hosts/registry-hosts.js';
import { HttpClient, type HttpRequest } from './http/http-client.js';
import type { Patience } from './http/http-exchange.js';
import { type HttpResponse, responseFailure } from './http/http-response.js';
import { isNotTLS } from './http/network-failure.js';
import { PassingFailure, type Retries } from './http/retries.js';
import type { RegistryNotice } from './registry-notice.js';

/** One challenge of the server, one of a redirect's target, and each again after a token has expired. */
const MAX_CHALLENGES = 4;
/** Redirect targets that may send a challenge. */
const MAX_TARGETS = 16;

export interface EndpointRequest extends Pick<HttpRequest, 'method' | 'headers' | 'body'> {
  readonly signal: AbortSignal;
  /** The object, for messages: `manifest 12`. */
  readonly what: string;
  /** Statuses that are not a failure. */
  readonly accepts: readonly number[];
  /** Statuses of temporary failures, besides the usual ones. @default none */
  readonly passing?: readonly number[] | undefined;
  /** A repository that the request reads as well. Its authorization is separate: a refusal concerns this request only. */
  readonly from?: string | undefined;
}

/** What a request does, in messages. */
type Verb = 'get' | 'push';

interface EndpointOptions {
  readonly client: HttpClient;
  /** URLs of the repository, best first. */
  readonly bases: readonly URL[];
  /** Makes authorizers of requests to this server only. */
  readonly authorizer: (scope: string) => Authorizer;
  readonly scope: string;
}

/** A server of the repository: a mirror, or the registry itself. */
export class Endpoint {
  readonly host: RegistryHost;
  /** A single URL once a request has succeeded. */
  #bases: readonly URL[];
  readonly #client: HttpClient;
  /** Authorizers of this server, by scope. */
  readonly #authorizers = new Map<string, Authorizer>();
  readonly #authorizer: (scope: string) => Authorizer;
  readonly #scope: string;
  /** Authorizers of other servers, by origin: of redirect targets, and of places for uploads. */
  readonly #targets = new Map<string, Authorizer>();

  constructor(host: RegistryHost, { client, bases, authorizer, scope }: EndpointOptions) {
    this.host = host;
    this.#bases = bases;
    this.#client = client;
    this.#authorizer = authorizer;
    this.#scope = scope;
  }

  /**
   * @param to a path relative to the repository: `manifests/12`; or a URL that a response of the server gave. A URL of another
   *   server gets none of this server's credentials
   * @throws PassingFailure; OverlayerError `NotFound`, `Unauthenticated`, `PermissionDenied`, `ResourceExhausted`,
   *   `Unavailable`
   */
  async request(to: string | URL, request: EndpointRequest): Promise<HttpResponse> {
    const refused = new Set<string>();
    const { method = 'GET', what, passing } = request;
    const verb = method === 'GET' || method === 'HEAD' ? 'get' : 'push';
    for (;;) {
      const { url, response } = await this.#reach(to, request);
      if (request.accepts.includes(response.status)) return response;
      const authorizer = this.#authorizerOf(response.url, url, request, verb);
      const asked = `${response.url.origin} ${response.authorization}`;
      const mayBeAnswered = response.status === 401 && !refused.has(asked) && refused.size < MAX_CHALLENGES;
      if (!mayBeAnswered || !(await authorizer?.answer(response, request.signal))) {
        const attempt = `${verb} ${what} ${verb === 'get' ? 'from' : 'to'}`;
        const hint = async () => authorizer?.hint(response.status === 401);
        throw await responseFailure(response, attempt, hint, passing);
      }
      refused.add(asked);
      await response.discard();
    }
  }

  /** The URL that a response links to; undefined when it is malformed, or less secure than the response's. */
  linked(link: string, { url }: HttpResponse): URL | undefined {
    return this.#client.linked(link, url);
  }

  /** The URL of a response to a request for a path, if the server has redirected the request to another URL. */
  redirected(path: string, { url }: HttpResponse): URL | undefined {
    const isAsked = this.#bases.some((base) => {
      const asked = new URL(path, base);
      return asked.origin === url.origin && asked.pathname === url.pathname;
    });
    return isAsked ? undefined : url;
  }

  close(): void {
    this.#client.close();
  }

  /** The authorizer of the server, or of another server, which gets anonymous tokens only. */
  #authorizerOf(answered: URL, asked: URL, { from }: EndpointRequest, verb: Verb): Authorizer | undefined {
    const { origin, host, pathname } = answered;
    if (this.#isOwn(answered)) return this.#own(from);
    const known = this.#targets.get(origin);
    if (known !== undefined || this.#targets.size >= MAX_TARGETS) return known;
    const image = /^\/v2\/(.+)\/(manifests|blobs)\//.exec(pathname)?.[1];
    const name = image === undefined ? host : `${host}/${image}`;
    const hint = `${asked.host} redirects to ${host}, which requires authentication: ${verb} ${name} instead`;
    const authorizer = new Authorizer(this.#client, this.#scope, async () => ({
      ...{ credentials: [], warnings: [], hint },
    }));
    this.#targets.set(origin, authorizer);
    return authorizer;
  }

  #isOwn({ origin }: URL): boolean {
    return this.#bases.some((base) => base.origin === origin);
  }

  #own(from: string | undefined): Authorizer {
    const scope = from === undefined ? this.#scope : `${this.#scope} repository:${from}:pull`;
    const authorizer = this.#authorizers.get(scope) ?? this.#authorizer(scope);
    this.#authorizers.set(scope, authorizer);
    return authorizer;
  }

  async #reach(to: string | URL, request: EndpointRequest) {
    if (to instanceof URL) return { url: to, response: await this.#send(to, request) };
    const bases = this.#bases;
    for (const [index, base] of bases.entries()) {
      const url = new URL(to, base);
      url.search = [url.search, base.search]
        .map((part) => part.replace('?', ''))
        .filter(Boolean)
        .join('&');
      try {
        const response = await this.#send(url, request);
        this.#bases = [base];
        return { url, response };
      } catch (error) {
        request.signal.throwIfAborted();
        if (index === bases.length - 1 || !mayBePlain(error)) throw error;
      }
    }
    throw new OverlayerError('Internal', 'An endpoint has a URL');
  }

  async #send(url: URL, { method, headers, body, signal, from }: EndpointRequest): Promise<HttpResponse> {
    const isOwn = this.#isOwn(url);
    const foreign = async (target: URL) => await this.#targets.get(target.origin)?.header(target, signal);
    return await this.#client.request(url, {
      ...{ method, headers, body, signal },
      ownHeaders: isOwn ? this.host.headers : undefined,
      authorization: await (isOwn ? this.#own(from).header(url, signal) : foreign(url)),
      authorizationFor: foreign,
    });
  }
}

/** Whether the failure may be that of a server without TLS. A server with an untrusted certificate is not retried without TLS. */
function mayBePlain(error: unknown): boolean {
  return error instanceof PassingFailure || isNotTLS(Object(error).cause);
}

interface OpenEndpointOptions extends Patience {
  /** Credentials for the registry itself. */
  readonly credentials: Credentials | undefined;
  readonly ending: AbortSignal;
  readonly tell: (notice: RegistryNotice) => void;
  /** The actions of the scope of tokens (distribution, "Token Scope Documentation"). @default 'pull' */
  readonly actions?: 'pull' | 'pull,push' | undefined;
}

/** Opens a repository at a server. Its credentials are sent to no other server. */
export function openEndpoint(
  host: RegistryHost,
  { domain, repository }: Reference,
  { credentials, tell, actions = 'pull', ...options }: OpenEndpointOptions,
): Endpoint {
  const { hostname, host: name } = host.urls[0]!;
  const { tls, plainHTTP } = host;
  const client = new HttpClient({ ...options, hostname, tls, plainHTTP });
  const scope = `repository:${repository}:${actions}`;
  const find = async () => {
    if (!host.isMirror && credentials !== undefined) return given(credentials);
    const found = await findCredentials(host.isMirror ? name : domain, repository);
    for (const message of found.warnings) tell({ type: 'warning', message });
    return found;
  };
  let found: Promise<FoundCredentials> | undefined;
  // A credential helper is asked once.
  const lookUp = () => (found ??= find());
  const authorizer = (scope: string) => new Authorizer(client, scope, lookUp);
  const bases = host.urls.map((url) => repositoryURL(url, { domain, repository }));
  return new Endpoint(host, { client, bases, authorizer, scope });
}

function given(credentials: Credentials): FoundCredentials {
  const hint = 'it refuses the credentials that were given; is the name right?';
  return { credentials: [credentials], warnings: [], hint };
}

/** `https://registry.example/v2/library/debian/`; a mirror gets `?ns=docker.io` (containerd, docs/hosts.md). */
function repositoryURL(api: URL, { domain, repository }: Pick<Reference, 'domain' | 'repository'>): URL {
  const url = new URL(`${api.pathname.replace(/\/$/, '')}/${repository}/`, api);
  if (isForeign(api, domain)) url.searchParams.set('ns', domain);
  return url;
}

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

interface Located {
  readonly endpoint: Endpoint;
  readonly response: HttpResponse;
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
  close(): void {
    for (const endpoint of this.#all) endpoint.close();
  }

  /**
   * Returns the response of the first server that has the object.
   *
   * @throws OverlayerError the failure of the registry itself, as `Endpoint.request`
   * @throws `signal.reason`
   */
  async request(path: string, request: RepositoryRequest, retries: Retries): Promise<HttpResponse> {
    return (await this.locate(path, request, retries)).response;
  }

  /** As `request`, with the server of the response. */
  async locate(path: string, request: RepositoryRequest, retries: Retries): Promise<Located> {
    const named = this.#named(request);
    return await retries.run(() => this.#requestOnce(path, named), request.signal);
  }

  /** Asks one server. @param to as in `Endpoint.request` */
  async requestFrom(
    endpoint: Endpoint,
    to: string | URL,
    request: EndpointRequest,
    retries: Retries,
  ): Promise<HttpResponse> {
    const named = this.#named(request);
    return await retries.run(() => endpoint.request(to, named), request.signal);
  }

  #named<T extends EndpointRequest>(request: T): T {
    return { ...request, what: `${request.what} of ${this.#name}` };
  }

  async #requestOnce(path: string, request: RepositoryRequest): Promise<Located> {
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
        return { endpoint, response: await endpoint.request(path, request) };
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
