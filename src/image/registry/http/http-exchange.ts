import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream';
import { SupplyWatch } from '../../pull/supply-watch.js';
import { SendingBody, type StreamedBody } from './request-body.js';

/** Time limits for a server. */
export interface Patience {
  /** Limit for silence, and for the start of the response, in milliseconds. */
  readonly timeoutMs: number;
  /** Lowest rate of a body, averaged over each `timeoutMs` of waiting for it. */
  readonly minBytesPerSecond: number;
}

/** The server sends, or takes, too slowly. */
export class TooSlowError extends Error {
  override readonly name = 'TooSlowError';
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** A request and its response. */
export class HttpExchange {
  /** Rejects with the failure, or with the signal's reason. */
  readonly head: Promise<ResponseHead>;
  readonly #request: ClientRequest;
  readonly #sending: SendingBody | undefined;
  readonly #signal: AbortSignal;
  readonly #patience: Patience;
  #response: IncomingMessage | undefined;
  /** Bytes of the body that were read. */
  #come = 0;
  #headTimer: NodeJS.Timeout | undefined;
  #watch: SupplyWatch | undefined;
  #begin!: (head: ResponseHead) => void;
  #fail!: (error: unknown) => void;
  /** How it ended. */
  #end: { readonly error: unknown } | undefined;
  #wake = () => {};

  /** Sends the request. */
  constructor(request: ClientRequest, signal: AbortSignal, patience: Patience, body?: string | StreamedBody) {
    this.#request = request;
    this.#signal = signal;
    this.#patience = patience;
    this.head = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    signal.addEventListener('abort', this.#onAbort);
    request.on('response', (response) => this.#receive(response));
    request.on('error', (error) => this.#finish(error));
    // An answer that switches to another protocol (101) is no response.
    request.on('close', () => this.#response === undefined && this.#finish(closedError()));
    if (typeof body === 'object') {
      const onSlow = (reason: string) => this.destroy(new TooSlowError(reason));
      const sending = new SendingBody(body, { ...patience, onSlow });
      this.#sending = sending;
      // The request reports errors of the connection.
      pipeline(sending, request, () => sending.failure !== undefined && this.destroy(sending.failure));
    } else {
      request.once('socket', () => this.#awaitHead());
      request.end(body);
    }
  }

  /**
   * Waits for bytes of the body and returns all that have come; undefined at the end.
   *
   * @throws the failure, after the bytes that came before it; `signal.reason`
   */
  async next(): Promise<Uint8Array | undefined> {
    this.#signal.throwIfAborted();
    for (;;) {
      const bytes = this.#response?.read() as Buffer | null;
      if (bytes !== null) {
        this.#come += bytes.length;
        return bytes;
      }
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      const more = new Promise<void>((resolve) => (this.#wake = resolve));
      await (this.#watch?.wait(more) ?? more);
    }
  }

  /** Ends the exchange. Closes its connection unless the response is complete. */
  destroy(reason: unknown = new Error('Nobody reads the answer')): void {
    if (this.#end !== undefined) return;
    this.#finish(reason);
    this.#request.destroy();
  }

  /** Informational responses before the head do not count. */
  #awaitHead(): void {
    if (this.#end !== undefined || this.#response !== undefined) return;
    const { timeoutMs } = this.#patience;
    const tooSlow = () =>
      this.destroy(new TooSlowError(`its answer does not begin within ${timeoutMs / 1000} s`));
    this.#headTimer = setTimeout(tooSlow, timeoutMs);
  }

  #receive(response: IncomingMessage): void {
    this.#response = response;
    response.on('error', (error) => this.#finish(error));
    response.on('readable', () => {
      // Without it, the end of a body of no bytes waits for a reader.
      if (response.readableLength === 0) response.read();
      this.#wake();
    });
    response.on('end', () => this.#finish());
    clearTimeout(this.#headTimer);
    this.#sending?.answered();
    this.#watchRate();
    this.#begin({ status: response.statusCode!, headers: response.headers });
  }

  #watchRate(): void {
    const { timeoutMs, minBytesPerSecond } = this.#patience;
    const seconds = timeoutMs / 1000;
    let seen = 0;
    this.#watch = new SupplyWatch(() => {
      const come = this.#come - seen;
      seen = this.#come;
      if (come < minBytesPerSecond * seconds)
        this.destroy(
          new TooSlowError(
            `it sends no more than ${come} bytes in ${seconds} s, fewer than --min-rate (minBytesPerSecond)`,
          ),
        );
    }, timeoutMs);
  }

  #onAbort = () => this.destroy(this.#signal.reason);

  #finish(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    clearTimeout(this.#headTimer);
    this.#sending?.end();
    this.#watch?.[Symbol.dispose]();
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#fail(error);
    this.#wake();
  }
}

export function closedError(): Error {
  return Object.assign(new Error('The connection was closed'), { code: 'ECONNRESET' });
}
