import { setTimeout } from 'node:timers/promises';
import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import { orAborted } from '../../base/abort.js';
import { type ErrorCode, OverlayerError } from '../../base/errors.js';

/** The data of a call beside its request. */
export interface CallContext {
  /** containerd's namespace, from the header `containerd-namespace`. */
  readonly namespace: string | undefined;
  /** The lease that holds the results of the call, from the header `containerd-lease`. */
  readonly lease: string | undefined;
  /** Aborted when the caller disconnects or cancels, and when the daemon stops. */
  readonly signal: AbortSignal;
}

/** A call that has ended. */
export interface FinishedCall {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Undefined for a stream of requests. */
  readonly request: unknown;
  readonly code: ErrorCode | 'OK';
  readonly error: unknown;
  readonly seconds: number;
}

/** The members that all kinds of gRPC calls share. */
interface AnyCall extends Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getPath'> {
  readonly request?: unknown;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** The running calls. A daemon that stops waits for them. */
export class Calls {
  readonly #running = new Set<Promise<unknown>>();
  readonly #controllers = new Set<AbortController>();
  readonly #onFinish: (call: FinishedCall) => void;
  #refuses = false;
  #lastEnd = Number.NEGATIVE_INFINITY;

  constructor(onFinish: (call: FinishedCall) => void) {
    this.#onFinish = onFinish;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Runs the work of a call. @throws the error of `work`, or the reason of the context's signal after its abort */
  async run<T>(call: AnyCall, work: (context: CallContext) => Promise<T>): Promise<T> {
    const start = performance.now();
    const running = this.#work(call, work);
    this.#running.add(running);
    let error: unknown;
    try {
      return await running;
    } catch (failure) {
      error = failure;
      throw failure;
    } finally {
      this.#running.delete(running);
      this.#lastEnd = performance.now();
      const code = error === undefined ? 'OK' : OverlayerError.is(error) ? error.code : 'Internal';
      const seconds = (performance.now() - start) / 1000;
      this.#onFinish({ path: call.getPath(), request: call.request, code, error, seconds });
    }
  }

  async #work<T>(call: AnyCall, work: (context: CallContext) => Promise<T>): Promise<T> {
    if (this.#refuses) throw stopping();
    const { metadata } = call;
    const header = (name: string) => headerOf(metadata, name);
    const controller = new AbortController();
    const { signal } = controller;
    call.on('cancelled', () => {
      // The event also comes for answered calls. An error made for each of them took a tenth of the processor time of
      // Stat.
      if (this.#controllers.has(controller))
        controller.abort(new OverlayerError('Cancelled', 'The caller has gone away'));
    });
    this.#controllers.add(controller);
    try {
      return await work({
        namespace: header('containerd-namespace'),
        lease: header('containerd-lease'),
        signal,
      });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      this.#controllers.delete(controller);
    }
  }

  /** Resolves when no call has run for this many milliseconds, or at the deadline. */
  async quiet(milliseconds: number, deadline: AbortSignal): Promise<void> {
    while (!deadline.aborted) {
      const left = this.#lastEnd + milliseconds - performance.now();
      if (this.#running.size > 0) await this.#allEnded(deadline);
      else if (left > 0) await setTimeout(left, undefined, { ref: false });
      else return;
    }
  }

  /** Waits for the running calls until the deadline, then aborts them. Later calls are refused. */
  async end(deadline: AbortSignal): Promise<void> {
    await this.#allEnded(deadline);
    this.#refuses = true;
    for (const controller of this.#controllers) controller.abort(stopping());
    await Promise.allSettled(this.#running);
  }

  async #allEnded(deadline: AbortSignal): Promise<void> {
    await orAborted(() => Promise.allSettled(this.#running), deadline).catch(() => {});
  }
}

function stopping(): OverlayerError {
  return new OverlayerError('Unavailable', 'The daemon is stopping');
}

function headerOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return value === undefined || value === '' ? undefined : String(value);
}
