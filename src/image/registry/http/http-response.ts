import { gunzipSync } from 'node:zlib';
import { OverlayerError } from '../../../base/errors.js';
import type { HttpExchange, ResponseHead } from './http-exchange.js';
import { networkFailure } from './network-failure.js';
import type { Route } from './route.js';

/** What is read of a body that nobody wants, so that its connection can be used again. */
const MAX_LEFTOVER_BYTES = 64 * 1024;
const MAX_LEFTOVER_MS = 1000;
const GZIP_MAGIC = Buffer.of(0x1f, 0x8b);

/** An answer whose body is still to come. It is to be read, or discarded. */
export class HttpResponse {
  /** Who answered, redirects followed. */
  readonly route: Route;
  /** The authorization that its request had. */
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

  /** A header that is a number of bytes. */
  get length(): number | undefined {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** Whether it says that its body is compressed, which was not asked for. */
  get isEncoded(): boolean {
    return /^(x-)?gzip$/i.test(this.header('content-encoding') ?? '');
  }

  /**
   * Each stays as it is until the next is asked for.
   *
   * @throws PassingFailure when it breaks off
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
   * The whole body, decompressed where `isEncoded`.
   *
   * @param what it is, for the message
   * @throws OverlayerError `ResourceExhausted` when it is longer; `DataLoss`: it can't be decompressed; PassingFailure
   *   when it breaks off
   */
  async read(maxBytes: number, what: string): Promise<Buffer> {
    const bytes = await this.#collect(maxBytes, what);
    // Some servers say so of a body that is not compressed.
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

  /** Reads a short body that nobody needs, so that its connection can be used again. A slow one is cut off. */
  async discard(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), MAX_LEFTOVER_MS);
    await this.#collect(MAX_LEFTOVER_BYTES, 'What nobody wants').catch(() => {});
    clearTimeout(timer);
  }

  destroy(): void {
    this.#exchange.destroy();
  }
}

function tooLong(what: string, { host }: URL, maxBytes: number): OverlayerError {
  return new OverlayerError('ResourceExhausted', `${what} from ${host} has more than ${maxBytes} bytes`);
}
