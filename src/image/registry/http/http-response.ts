import { gunzipSync } from 'node:zlib';
import { type ErrorCode, OverlayerError } from '../../../base/errors.js';
import { displayPath } from '../../../base/path-bytes.js';
import type { HttpExchange, ResponseHead } from './http-exchange.js';
import { networkFailure } from './network-failure.js';
import { PassingFailure } from './retries.js';
import { type Route, routeName } from './route.js';

/** Bounds for reading an unused body so that its connection can be reused. */
const MAX_LEFTOVER_BYTES = 64 * 1024;
const MAX_LEFTOVER_MS = 1000;
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);

/** A response. Its body must be read, or discarded. */
export class HttpResponse {
  /** The route of the response, after redirects. */
  readonly route: Route;
  /** The `Authorization` header of its request. */
  readonly authorization: string | undefined;
  readonly status: number;
  readonly #headers: ResponseHead['headers'];
  readonly #exchange: HttpExchange;

  constructor(
    { route, authorization }: Pick<HttpResponse, 'route' | 'authorization'>,
    { status, headers }: ResponseHead,
    exchange: HttpExchange,
  ) {
    this.route = route;
    this.authorization = authorization;
    this.status = status;
    this.#headers = headers;
    this.#exchange = exchange;
  }

  get url(): URL {
    return this.route.url;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The `Content-Length` in bytes. */
  get length(): number | undefined {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** Whether its headers declare a gzip body, which was not requested. */
  get isEncoded(): boolean {
    return /^(x-)?gzip$/i.test(this.header('content-encoding') ?? '');
  }

  /**
   * Chunks of the body. Each stays valid until the next one is requested.
   *
   * @throws PassingFailure when the connection breaks
   */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        const chunk = await this.#exchange.next();
        if (chunk === undefined) return;
        yield chunk;
      }
    } catch (error) {
      throw networkFailure(error, this.route);
    } finally {
      this.destroy();
    }
  }

  /**
   * Reads the whole body, and decompresses it if `isEncoded`.
   *
   * @param what the object, for messages
   * @throws OverlayerError `ResourceExhausted`: it is longer than `maxBytes`; `DataLoss`: damaged gzip; PassingFailure when the
   *   connection breaks
   */
  async read(maxBytes: number, what: string): Promise<Buffer> {
    const bytes = await this.#collect(maxBytes, what);
    // Some servers declare gzip for a body that is not compressed.
    if (!this.isEncoded || !bytes.subarray(0, 2).equals(GZIP_MAGIC)) return bytes;
    try {
      return gunzipSync(bytes, { maxOutputLength: maxBytes });
    } catch (cause) {
      if (Object(cause).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(what, this.url, maxBytes);
      throw new OverlayerError('DataLoss', `${what} from ${this.url.host} is damaged gzip`, { cause });
    }
  }

  async #collect(maxBytes: number, what: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.chunks()) {
      length += chunk.length;
      if (length > maxBytes) throw tooLong(what, this.url, maxBytes);
      chunks.push(Buffer.from(chunk));
    }
    return Buffer.concat(chunks);
  }

  /** Reads an unused short body, so that its connection can be reused. A long or slow one is cut off. */
  async discard(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), MAX_LEFTOVER_MS);
    await this.#collect(MAX_LEFTOVER_BYTES, 'The rest of the response').catch(() => {});
    clearTimeout(timer);
  }

  destroy(): void {
    this.#exchange.destroy();
  }
}

function tooLong(what: string, { host }: URL, maxBytes: number): OverlayerError {
  return new OverlayerError('ResourceExhausted', `${what} from ${host} has more than ${maxBytes} bytes`);
}

const MAX_ERROR_BYTES = 64 * 1024;
const MAX_MESSAGE_LENGTH = 200;
/** A hundred years, so that the date can be formatted. */
const MAX_RETRY_AFTER_S = 100 * 365 * 24 * 3600;
const PASSING = [408, 425, 429, 500, 502, 503, 504];

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'NotFound',
  413: 'ResourceExhausted',
};

/** Error codes of the distribution spec that say more than their status. */
const REGISTRY_CODES: Readonly<Record<string, ErrorCode>> = {
  DIGEST_INVALID: 'DataLoss',
  SIZE_INVALID: 'DataLoss',
};

/** Credentials are missing or refused. */
const REFUSALS = [401, 403];

const HINTS: Readonly<Record<number, string>> = {
  403: 'ask the administrator of the registry for access',
  404: 'is the name right?',
  413: 'the registry, or a proxy in front of it, limits the size of a body',
  429: 'too many requests: try later, or log in',
};

/**
 * The error for an unexpected status, with the registry's message (distribution spec, "Error codes").
 *
 * @param attempt for messages: `get a token from`
 * @param refusalHint returns the hint for missing or refused credentials
 * @param passing further statuses of temporary failures
 */
export async function responseFailure(
  response: HttpResponse,
  attempt: string,
  refusalHint: () => Promise<string | undefined>,
  passing: readonly number[] = [],
): Promise<OverlayerError | PassingFailure> {
  const { status, route } = response;
  const unread = (): RegistryError => ({});
  const { said, code = '' } = await response.read(MAX_ERROR_BYTES, 'Its error').then(readError, unread);
  const error = new OverlayerError(
    REGISTRY_CODES[code] ?? CODES[status] ?? 'Unavailable',
    `Cannot ${attempt} ${routeName(route)}: status ${status}${said === undefined ? '' : `, "${said}"`}`,
    {
      hint:
        proxyHint(response) ?? (REFUSALS.includes(status) ? await refusalHint() : undefined) ?? HINTS[status],
    },
  );
  return PASSING.includes(status) || passing.includes(status)
    ? new PassingFailure(error, { delayMs: retryAfterMs(response), status })
    : error;
}

/** A proxy may have sent the response if there is no TLS; these are the statuses of proxies. */
function proxyHint({ status, route: { url, proxy } }: HttpResponse): string | undefined {
  if (proxy === undefined || url.protocol === 'https:' || ![403, 407, 502, 503, 504].includes(status))
    return undefined;
  const how = status === 407 ? ', with a name and a password if it wants them' : '';
  return `does the proxy say that? ${proxy.variable} names it${how}, and no_proxy what it is not for`;
}

interface RegistryError {
  /** The registry's message, shortened and safe to display. */
  readonly said?: string | undefined;
  readonly code?: string | undefined;
}

function readError(body: Buffer): RegistryError {
  let json: unknown;
  try {
    json = JSON.parse(body.toString());
  } catch {
    return {};
  }
  const { errors } = Object(json) as { errors?: unknown };
  const [first] = Array.isArray(errors) ? errors : [];
  const { code, message } = Object(first) as { code?: unknown; message?: unknown };
  const isText = (text: unknown): text is string => typeof text === 'string' && text !== '';
  const said = [message, code].find(isText);
  return {
    said: said === undefined ? undefined : displayPath(said.slice(0, MAX_MESSAGE_LENGTH)),
    code: isText(code) ? code : undefined,
  };
}

/** `Retry-After`: seconds, or a date of the server's clock (RFC 9110, 10.2.3). */
function retryAfterMs(response: HttpResponse): number | undefined {
  const text = response.header('retry-after');
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text), MAX_RETRY_AFTER_S) * 1000;
  const now = dateOf(response.header('date')) ?? Date.now();
  const asked = (dateOf(text) ?? now) - now;
  return asked > 0 ? Math.min(asked, MAX_RETRY_AFTER_S * 1000) : undefined;
}

/** A date of HTTP (RFC 9110, 5.6.7), in milliseconds since 1970. */
function dateOf(text: string | undefined): number | undefined {
  return text?.endsWith(' GMT') ? Date.parse(text) || undefined : undefined;
}
