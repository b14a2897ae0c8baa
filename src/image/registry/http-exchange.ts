import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { Halves } from './halves.js';

/** With so many bytes that nobody has taken, the server has to wait. */
const HELD_BYTES = 256 * 1024;

export interface ResponseHead {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/**
 * A request and its answer, as undici tells of them. The body's bytes are copied as they come: they are in memory that the
 * connection uses again (`reusingConnector`).
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  /** Rejects with what went wrong, or with the signal's reason. */
  readonly head: Promise<ResponseHead>;
  readonly #signal: AbortSignal;
  readonly #body = new Halves();
  #begin!: (head: ResponseHead) => void;
  #fail!: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  /** How it ended. */
  #end: { readonly error: unknown } | undefined;
  #wake = () => {};

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    this.head = new Promise((resolve, reject) => {
      this.#begin = resolve;
      this.#fail = reject;
    });
    signal.addEventListener('abort', this.#onAbort);
  }

  /**
   * All bytes of the body that have come, once there are some; undefined after the last. They stay as they are until the
   * next are asked for.
   *
   * @throws what it ended with, after the bytes that came before; `signal.reason`
   */
  async next(): Promise<Uint8Array | undefined> {
    this.#signal.throwIfAborted();
    while (this.#body.length === 0) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const bytes = this.#body.take();
    if (this.#end === undefined) this.#controller?.resume();
    return bytes;
  }

  /** Nobody wants the answer, or the rest of it: its connection is closed if that is not all there. */
  destroy(reason: unknown = new Error('Nobody reads the answer')): void {
    if (this.#end !== undefined) return;
    this.#finish(reason);
    this.#controller?.abort(reason as Error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#end !== undefined) controller.abort(this.#end.error as Error);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status >= 200) this.#begin({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body.add(chunk);
    if (this.#body.length >= HELD_BYTES) controller.pause();
    this.#wake();
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#finish(error);
  }

  #onAbort = () => this.destroy(this.#signal.reason);

  #finish(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#signal.removeEventListener('abort', this.#onAbort);
    this.#fail(error);
    this.#wake();
  }
}
