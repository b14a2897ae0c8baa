import { Worker } from 'node:worker_threads';
import { fromPlainError, OverlayerError } from '../../base/errors.js';
import { AbortedError } from '../../base/gate.js';
import type { PlannedOperation } from '../operation.js';
import type { Answer, Request, Response, WorkerData } from './messages.js';
import type { PipelineMemory } from './pipeline.js';

type Settle = { resolve(answer: Answer): void; reject(error: unknown): void };

/** Longest that the process waits, at its end, for a thread that is still loading. */
const LOADING_MS = 2000;

/** A worker thread that answers one request at a time. It keeps the process alive only while it works. */
export class Thread {
  /** Takes the parts of a plan as they come. */
  onOperations: ((operations: readonly PlannedOperation[]) => void) | undefined;
  readonly #worker: Worker;
  readonly #onLoaded: () => void;
  #waiting: Settle | undefined;
  #broken: Error | undefined;

  constructor(role: 'decode' | 'apply', memory: PipelineMemory) {
    const loaded = new Int32Array(new SharedArrayBuffer(4));
    this.#worker = new Worker(new URL(import.meta.resolve(`#${role}-worker`)), {
      name: `overlayer-${role}`,
      workerData: { memory, loaded } satisfies WorkerData,
      // The caller's flags are its own; some (--input-type) would keep a worker from starting.
      execArgv: [],
      // Entries are short-lived: a small young generation keeps the threads' memory small too.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    // A native addon that is stopped while it loads ends the process with an abort (koffi 3.3).
    const awaitLoading = () => Atomics.wait(loaded, 0, 0, LOADING_MS);
    process.on('exit', awaitLoading);
    this.#onLoaded = () => process.off('exit', awaitLoading);
    this.#worker.on('message', (response: Response) => this.#take(response));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => {
      this.#onLoaded();
      this.#break(new Error(`The ${role} thread has ended`));
    });
    // After the listeners: they would take the reference back.
    this.#worker.unref();
  }

  get broken(): boolean {
    return this.#broken !== undefined;
  }

  /** @throws AbortedError when the pipeline was aborted, OverlayerError for what the thread could not do */
  ask<T extends Answer['type']>(request: Request, _answer: T): Promise<Answer & { type: T }> {
    return new Promise<Answer>((resolve, reject) => {
      if (this.#broken !== undefined) return reject(this.#broken);
      this.#waiting = { resolve, reject };
      this.#worker.ref();
      this.#worker.postMessage(request);
    }) as Promise<Answer & { type: T }>;
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #take(response: Response): void {
    if (response.type === 'loaded') {
      this.#onLoaded();
      return;
    }
    if (response.type === 'operations') {
      this.onOperations?.(response.operations);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#worker.unref();
    if (response.type === 'aborted') waiting?.reject(new AbortedError());
    else if (response.type === 'failed') waiting?.reject(fromPlainError(response.error));
    else waiting?.resolve(response);
  }

  #break(cause: Error): void {
    this.#broken ??= new OverlayerError('Internal', `A worker thread of overlayer failed: ${cause.message}`, {
      cause,
    });
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
  }
}
