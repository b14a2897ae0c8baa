import { fileURLToPath } from 'node:url';
import type { MessagePort, WorkerOptions } from 'node:worker_threads';
import type { CompiledCode } from './compiled-code.js';

/** Longest that the process waits, at its end, for the code of a thread. */
const WAIT_MS = 200;

/** For the file that such a thread begins with, `thread.ts`. */
export interface ThreadStart {
  /** The file that the thread runs. */
  readonly path: string;
  readonly cachedData: Uint8Array | undefined;
  /** A message asks for the code, and is answered by it. */
  readonly port: MessagePort;
  /** Becomes 1 when it is answered. */
  readonly answered: Int32Array;
}

/** Threads of the command line are made from compiled code. @returns `node:worker_threads` with another `Worker` */
export function threadsWithCode(code: CompiledCode): typeof import('node:worker_threads') {
  const threads = process.getBuiltinModule('node:worker_threads');
  class Worker extends threads.Worker {
    constructor(file: string | URL, options: WorkerOptions) {
      const path = typeof file === 'string' ? file : fileURLToPath(file);
      const { port1, port2 } = new threads.MessageChannel();
      const answered = new Int32Array(new SharedArrayBuffer(4));
      const cachedData = code.find(path);
      const start: ThreadStart = { path, cachedData, port: port2, answered };
      super(`${import.meta.dirname}/thread.cjs`, {
        ...options,
        workerData: { ...options.workerData, start },
        transferList: [...(options.transferList ?? []), port2],
      });
      port1.unref();
      code.add(path, {
        createCachedData: () => {
          if (this.threadId < 0) return undefined;
          port1.postMessage(undefined);
          Atomics.wait(answered, 0, 0, WAIT_MS);
          return threads.receiveMessageOnPort(port1)?.message;
        },
      });
    }
  }
  return { ...threads, Worker };
}
