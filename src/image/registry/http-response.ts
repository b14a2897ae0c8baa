import type { Dispatcher } from 'undici';
import { OverlayerError } from '../../base/errors.js';
import { networkFailure } from './network-failure.js';

/** What is read of a body that nobody wants, so that its connection can be used again. */
const MAX_LEFTOVER_BYTES = 64 * 1024;

/** An answer whose body is still to come. It is to be read, or discarded. */
export class HttpResponse {
  /** Who answered, redirects followed. */
  readonly url: URL;
  readonly status: number;
  readonly #data: Dispatcher.ResponseData;

  constructor(url: URL, data: Dispatcher.ResponseData) {
    this.url = url;
    this.status = data.statusCode;
    this.#data = data;
    // An error that comes while nobody reads is told to who reads next.
    data.body.on('error', () => {});
  }

  header(name: string): string | undefined {
    const value = this.#data.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** A header that is a number of bytes. */
  get length(): number | undefined {
    const text = this.header('content-length');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  /** @throws PassingFailure when it breaks off */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of this.#data.body) yield chunk as Uint8Array;
    } catch (error) {
      throw networkFailure(error, this.url);
    }
  }

  /**
   * The whole body.
   *
   * @param what it is, for the message
   * @throws OverlayerError `ResourceExhausted` when it is longer; PassingFailure when it breaks off
   */
  async read(maxBytes: number, what: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of this.chunks()) {
      length += chunk.length;
      if (length > maxBytes) {
        this.destroy();
        throw tooLong(what, this.url, maxBytes);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** For a short body that nobody wants: its connection is used again. */
  async discard(): Promise<void> {
    await this.#data.body.dump({ limit: MAX_LEFTOVER_BYTES }).catch(() => {});
  }

  destroy(): void {
    this.#data.body.destroy();
  }
}

export function tooLong(what: string, { host }: URL, maxBytes: number): OverlayerError {
  return new OverlayerError('ResourceExhausted', `${what} from ${host} has more than ${maxBytes} bytes`);
}
