import { request as httpRequest } from 'node:http';
import { OverlayerError } from '../../../base/errors.js';
import { ServerTrust, type TLSSettings } from '../hosts/server-trust.js';
import { Connections } from './connections.js';
import { HttpExchange, type Patience } from './http-exchange.js';
import { HttpResponse } from './http-response.js';
import { networkFailure } from './network-failure.js';
import type { StreamedBody } from './request-body.js';
import type { Route } from './route.js';
import { isLoopback, proxyOf } from './route.js';

const MAX_REDIRECTS = 10;
const REDIRECTS = [301, 302, 303, 307, 308];
/** Redirects that keep the method and the body (RFC 9110, 15.4). */
const KEEPING_REDIRECTS = [307, 308];

export type HttpMethod = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface HttpRequest {
  /** Must also abort when `ending` of the client does. @default `ending` */
  readonly signal?: AbortSignal | undefined;
  /** @default 'GET' */
  readonly method?: HttpMethod | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent to the URL's server only, and not to redirect targets (CVE-2020-15157). */
  readonly authorization?: string | undefined;
  /** See `authorization`. */
  readonly ownHeaders?: Readonly<Record<string, string>> | undefined;
  /** The authorization for a redirect target. @default none */
  readonly authorizationFor?: ((target: URL) => Promise<string | undefined>) | undefined;
  /** A text is for this server only: redirects are not followed. */
  readonly body?: string | StreamedBody | undefined;
}

interface HttpClientOptions extends Patience {
  /** Host name of the server. */
  readonly hostname: string;
  readonly tls: TLSSettings;
  /** Follow redirects from HTTP to HTTP on other machines. */
  readonly plainHTTP: boolean;
  /** Ends all requests. */
  readonly ending: AbortSignal;
}

/** Sends requests to one server and its redirect targets, over persistent connections and the environment's proxies. */
export class HttpClient {
  readonly #connections: Connections;
  readonly #options: HttpClientOptions;

  constructor(options: HttpClientOptions) {
    const { timeoutMs, hostname, tls } = options;
    this.#options = options;
    this.#connections = new Connections(timeoutMs, new ServerTrust(hostname, tls));
  }

  /**
   * Follows redirects, and returns a response of any status.
   *
   * @throws PassingFailure for a temporary failure; OverlayerError `Unavailable` for a permanent one
   */
  async request(url: URL, request: HttpRequest): Promise<HttpResponse> {
    let { authorization, ownHeaders } = request;
    let at = url;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#send(at, { ...request, authorization, ownHeaders });
      const location = response.header('location');
      if (location === undefined || !mayFollow(response.status, request)) return response;
      await response.discard();
      const next = this.linked(location, at);
      if (next === undefined)
        throw new OverlayerError('Unavailable', `${at.host} redirects to a URL that is not allowed`, {
          hint: 'only https is followed; --plain-http (plainHTTP) allows http where it began with http',
        });
      if (redirects >= MAX_REDIRECTS)
        throw new OverlayerError('Unavailable', `${url.host} redirects more than ${MAX_REDIRECTS} times`);
      if (next.origin !== at.origin) {
        authorization = await request.authorizationFor?.(next);
        ownHeaders = undefined;
      }
      at = next;
    }
  }

  /** The target of a redirect or a realm; undefined when it is malformed, or less secure than `from`. */
  linked(link: string, from: URL): URL | undefined {
    if (!URL.canParse(link, from.href)) return undefined;
    const url = new URL(link, from);
    const isPlain = url.protocol === 'http:' && from.protocol === 'http:';
    return url.protocol === 'https:' || (isPlain && (this.#options.plainHTTP || isLoopback(url)))
      ? url
      : undefined;
  }

  /** Closes all connections. */
  close(): void {
    this.#connections.close();
  }

  async #send(url: URL, request: HttpRequest): Promise<HttpResponse> {
    const {
      method = 'GET',
      headers,
      ownHeaders,
      authorization,
      body,
      signal = this.#options.ending,
    } = request;
    const route: Route = { url, proxy: proxyOf(url) };
    const { headers: routing, ...destination } = this.#connections.to(route);
    signal.throwIfAborted();
    const streamed = typeof body === 'object' ? body : undefined;
    try {
      const outgoing = httpRequest({
        ...destination,
        method,
        headers: {
          'user-agent': 'overlayer',
          // A blob's digest is that of its stored bytes.
          'accept-encoding': 'identity',
          ...routing,
          ...ownHeaders,
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
          ...(streamed === undefined ? {} : { 'content-length': String(streamed.length) }),
        },
      });
      const exchange = new HttpExchange(outgoing, signal, this.#options, body);
      return new HttpResponse({ route, authorization }, await exchange.head, exchange);
    } catch (error) {
      signal.throwIfAborted();
      throw networkFailure(error, route);
    }
  }
}

function mayFollow(status: number, { method = 'GET', body }: HttpRequest): boolean {
  if (typeof body === 'string') return false;
  return (method === 'GET' || method === 'HEAD' ? REDIRECTS : KEEPING_REDIRECTS).includes(status);
}
