import type { Dispatcher } from 'undici';
// All of undici, with `fetch` and what else there is, takes 110 ms to load, this 40.
import Agent from 'undici/lib/dispatcher/agent.js';
import { OverlayerError } from '../../base/errors.js';
import { HttpExchange, type Patience } from './http-exchange.js';
import { HttpResponse } from './http-response.js';
import { isLoopback } from './loopback.js';
import { networkFailure } from './network-failure.js';
import { reusingConnector } from './reusing-connector.js';

/** What the environment may name proxies by. */
const PROXIES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];
const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];

export interface HttpRequest {
  /** @default `ending` of the client; another has to end with that, too */
  readonly signal?: AbortSignal | undefined;
  /** Redirects of a POST are not followed: what it carries is for nobody else. @default 'GET' */
  readonly method?: 'GET' | 'HEAD' | 'POST' | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** For the server of the URL alone: it goes to no other that it redirects to (CVE-2020-15157). */
  readonly authorization?: string | undefined;
  readonly body?: string | undefined;
}

export interface HttpClientOptions extends Patience {
  readonly plainHTTP?: boolean | undefined;
  /** Ends all requests. */
  readonly ending: AbortSignal;
}

/** Requests over connections that are kept; through the proxies that the environment names (`https_proxy` …). */
export class HttpClient {
  /** Nobody's proxy leads to this machine. */
  readonly #direct: Dispatcher;
  /** With the first request that needs it. */
  #proxied: Promise<Dispatcher> | undefined;
  readonly #options: Agent.Options;
  readonly #plainHTTP: boolean;
  readonly #ending: AbortSignal;
  readonly #patience: Patience;

  constructor({ plainHTTP = false, ending, ...patience }: HttpClientOptions) {
    const { timeoutMs } = patience;
    this.#plainHTTP = plainHTTP;
    this.#ending = ending;
    this.#patience = patience;
    this.#options = {
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      connect: reusingConnector(timeoutMs),
    };
    this.#direct = new Agent(this.#options);
  }

  /**
   * The answer, redirects followed, whatever its status.
   *
   * @throws PassingFailure when there is none; OverlayerError `Unavailable` when there will be none
   */
  async request(url: URL, request: HttpRequest): Promise<HttpResponse> {
    let { authorization } = request;
    let at = url;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(at, { ...request, authorization });
      const location = response.header('location');
      if (!REDIRECTS.includes(response.status) || location === undefined || request.method === 'POST')
        return response;
      await response.discard();
      const next = this.linked(location, at);
      if (next === undefined)
        throw new OverlayerError('Unavailable', `${at.host} redirects to where nobody should follow`, {
          hint: 'only https is followed; plainHTTP allows http where it began with http',
        });
      if (redirects >= MAX_REDIRECTS)
        throw new OverlayerError('Unavailable', `${url.host} redirects more than ${MAX_REDIRECTS} times`);
      if (next.origin !== at.origin) authorization = undefined;
      at = next;
    }
  }

  /** Where a server says to go; undefined where that is no URL, or has less protection than there was. */
  linked(link: string, from: URL): URL | undefined {
    if (!URL.canParse(link, from.href)) return undefined;
    const url = new URL(link, from);
    const isPlain = url.protocol === 'http:' && from.protocol === 'http:';
    return url.protocol === 'https:' || (isPlain && (this.#plainHTTP || isLoopback(url))) ? url : undefined;
  }

  /** Ends all connections. (An agent forgets those that others of their origin outlived: `ending` ends each request.) */
  async close(): Promise<void> {
    await Promise.all([this.#direct.destroy(), (await this.#proxied)?.destroy()]);
  }

  async #dispatcherFor(url: URL): Promise<Dispatcher> {
    if (isLoopback(url) || !PROXIES.some((name) => process.env[name])) return this.#direct;
    this.#proxied ??= import('undici').then(({ EnvHttpProxyAgent }) => new EnvHttpProxyAgent(this.#options));
    return await this.#proxied;
  }

  async #send(url: URL, request: HttpRequest): Promise<HttpResponse> {
    const { method = 'GET', headers, authorization, body, signal = this.#ending } = request;
    signal.throwIfAborted();
    const dispatcher = await this.#dispatcherFor(url);
    signal.throwIfAborted();
    const exchange = new HttpExchange(signal, this.#patience);
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers: {
          'user-agent': 'overlayer',
          // A blob's digest is that of the bytes as they are stored.
          'accept-encoding': 'identity',
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        body: body ?? null,
        // Or each HEAD would cost a connection.
        reset: false,
      },
      exchange,
    );
    try {
      return new HttpResponse(url, await exchange.head, exchange);
    } catch (error) {
      signal.throwIfAborted();
      throw networkFailure(error, url);
    }
  }
}
