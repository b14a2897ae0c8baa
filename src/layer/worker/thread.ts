import type { Worker } from 'node:worker_threads';
import { fromPlainError } from '../../base/errors.js';
import { AbortedError } from '../../base/gate.js';
import { startWorker, threadFailure } from '../../base/start-worker.js';
import type { PlannedOperation } from '../plan/operation.js';
import type { Answer, Request, Response } from './messages.js';
import type { PipelineMemory } from './pipeline.js';

const SCRIPTS = {
  decode: () => new URL('../../threads/decode.cjs', import.meta.url),
  apply: () => new URL('../../threads/apply.cjs', import.meta.url),
} as const;

type Settle = { resolve(answer: Answer): void; reject(error: unknown): void };

/** A worker thread that answers one request at a time. It keeps the process alive only while it works. */
export class Thread {
  /** Takes the parts of a plan as they come. */
  onOperations: ((operations: readonly PlannedOperation[]) => void) | undefined;
  readonly #worker: Worker;
  #waiting: Settle | undefined;
  #broken: Error | undefined;

  constructor(role: 'decode' | 'apply', memory: PipelineMemory) {
    this.#worker = startWorker(SCRIPTS[role], { name: role, data: memory });
    this.#worker.on('message', (response: Response) => this.#take(response));
    this.#worker.on('error', (error) => this.#break(error));
    this.#worker.on('exit', () => this.#break(new Error(`The ${role} thread has ended`)));
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
    this.#broken ??= threadFailure(cause);
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
  }
}
