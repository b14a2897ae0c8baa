import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { SupplyWatch } from '../../pull/supply-watch.js';
import { SendingBody, type StreamedBody } from './request-body.js';

/** The connection is paused when this many bytes are not yet read. */
const HELD_BYTES = 256 * 1024;

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

/**
 * A request and its response, as undici's handler. The bytes of the body are copied immediately, since the connection
 * reuses their buffer (`reusingConnector`).
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  /** Rejects with the failure, or with the signal's reason. */
  readonly head: Promise<ResponseHead>;
  /** The body of the request, for undici. */
  readonly sending: SendingBody | undefined;
  readonly #signal: AbortSignal;
  readonly #patience: Patience;
  readonly #body = new Halves();
  /** Bytes of the body. */
  #come = 0;
  #headTimer: NodeJS.Timeout | undefined;
  #watch: SupplyWatch | undefined;
  #begin!: (head: ResponseHead) => void;
  #fail!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** How it ended. */
  #end: { readonly error: unknown } | undefined;
  /** undici reuses the connection from its next `setImmediate` on. An earlier request would open another connection. */
  #freed: Promise<void> | undefined;
  #wake = () => {};

  constructor(signal: AbortSignal, patience: Patience, body?: StreamedBody) {
    this.#signal = signal;
    this.#patience = patience;
    const onSlow = (reason: string) => this.destroy(new TooSlowError(reason));
    this.sending = body && new SendingBody(body, { ...patience, onSlow });
    this.head = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    signal.addEventListener('abort', this.#onAbort);
  }

  /**
   * Waits for bytes of the body and returns all that have come; undefined at the end. They stay valid until the next call.
   *
   * @throws the failure, after the bytes that came before it; `signal.reason`
   */
  async next(): Promise<Uint8Array | undefined> {
    this.#signal.throwIfAborted();
    while (this.#body.length === 0) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) {
        await this.#freed;
        return undefined;
      }
      const more = new Promise<void>((resolve) => (this.#wake = resolve));
      await (this.#watch?.wait(more) ?? more);
    }
    const bytes = this.#body.take();
    if (this.#end === undefined) this.#controller?.resume();
    return bytes;
  }

  /** Ends the exchange. Closes its connection unless the response is complete. */
  destroy(reason: unknown = new Error('Nobody reads the answer')): void {
    if (this.#end !== undefined) return;
    this.#finish(reason);
    this.#controller?.abort(reason as Error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#end !== undefined) {
      controller.abort(this.#end.error as Error);
      return;
    }
    if (this.sending !== undefined) return;
    const { timeoutMs } = this.#patience;
    const tooSlow = () =>
      this.destroy(new TooSlowError(`its answer does not begin within ${timeoutMs / 1000} s`));
    this.#headTimer = setTimeout(tooSlow, timeoutMs);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    clearTimeout(this.#headTimer);
    this.sending?.answered();
    this.#watchRate();
    this.#begin({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body.add(chunk);
    this.#come += chunk.length;
    if (this.#body.length >= HELD_BYTES) controller.pause();
    this.#wake();
  }

  onResponseEnd(): void {
    this.#freed = new Promise((resolve) => queueMicrotask(() => setImmediate(resolve)));
    this.#finish();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#finish(this.sending?.failure ?? error);
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
    this.sending?.end();
    this.#watch?.[Symbol.dispose]();
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#fail(error);
    this.#wake();
  }
}

/**
 * A byte queue of two buffers. `take` returns all bytes so far, which stay valid until the next `take`. A buffer for each
 * chunk would cause full collections, which took a fifth of the time of receiving a body.
 */
class Halves {
  #filling = Buffer.alloc(0);
  #taken = Buffer.alloc(0);
  #length = 0;

  /** Number of bytes in the queue. */
  get length(): number {
    return this.#length;
  }

  /** Copies the bytes into the queue, which has no bound of its own. */
  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#filling.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#filling.length));
      larger.set(this.#filling.subarray(0, this.#length));
      this.#filling = larger;
    }
    this.#filling.set(bytes, this.#length);
    this.#length = length;
  }

  take(): Uint8Array {
    const taken = this.#filling.subarray(0, this.#length);
    [this.#filling, this.#taken] = [this.#taken, this.#filling];
    this.#length = 0;
    return taken;
  }
}
