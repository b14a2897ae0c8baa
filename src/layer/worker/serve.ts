import { type MessagePort, parentPort } from 'node:worker_threads';
import { toPlainError } from '../../base/errors.js';
import { AbortedError } from '../../base/gate.js';
import { beginWork } from '../../base/start-worker.js';
import type { Answer, Request, Response } from './messages.js';
import { Pipeline, type PipelineMemory } from './pipeline.js';

export type Send = (response: Response) => void;

/** The body of a worker thread: answers each request by `handle`. */
export function serve(
  handle: (request: Request, pipeline: Pipeline, send: Send) => Answer | Promise<Answer>,
): void {
  const port = parentPort as MessagePort;
  const pipeline = new Pipeline(beginWork<PipelineMemory>());
  const send: Send = (response) => port.postMessage(response);
  port.on('message', async (request: Request) => {
    try {
      send(await handle(request, pipeline, send));
    } catch (error) {
      if (error instanceof AbortedError) send({ type: 'aborted' });
      else {
        // The others must not wait for bytes, or room, that never come.
        pipeline.gate.abort();
        send({ type: 'failed', error: toPlainError(error) });
      }
    }
  });
}

export function unexpected(request: Request): Error {
  return new Error(`This thread does not answer "${request.type}"`);
}
