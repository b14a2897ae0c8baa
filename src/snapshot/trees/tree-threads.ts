import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { fromPlainError } from '../../base/errors.js';
import { startWorker, threadFailure } from '../../base/start-worker.js';
import type { TreeJob, TreeResponse, TreeResults } from './tree-job.js';

/** Disks have little to gain from more. */
const MOST_THREADS = 4;

/** Threads that carry out `TreeJob`s. They start with the first jobs, are kept, and don't keep the process alive. */
export class TreeThreads {
  readonly #idle: Worker[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #size = Math.min(availableParallelism(), MOST_THREADS);
  #free = this.#size;

  /** Starts one, unless it is there, and does not wait for it. */
  warmUp(): void {
    if (this.#free === this.#size && this.#idle.length === 0) this.#idle.push(this.#start());
  }

  /** @throws OverlayerError for what the kernel refuses */
  async run<J extends TreeJob>(job: J): Promise<TreeResults[J['type']]> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      const worker = this.#idle.pop() ?? this.#start();
      const response = await ask(worker, job);
      this.#idle.push(worker); // one that has ended is not used again
      if (response.type === 'failed') throw fromPlainError(response.error);
      return response.result as TreeResults[J['type']];
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #start(): Worker {
    const worker = startWorker(() => new URL('../../threads/tree.cjs', import.meta.url), { name: 'tree' });
    // What ends a thread is told to whoever waits for its answer; while idle, to nobody.
    worker.on('error', () => {});
    worker.on('exit', () => {
      const index = this.#idle.indexOf(worker);
      if (index !== -1) this.#idle.splice(index, 1);
    });
    // After the listeners: they would take the reference back.
    worker.unref();
    return worker;
  }
}

export const treeThreads = new TreeThreads();

/** By listeners of its own: `once` of node:events, and a signal to end it, cost a job 0.1 ms more. */
function ask(worker: Worker, job: TreeJob): Promise<TreeResponse> {
  return new Promise((resolve, reject) => {
    const onMessage = (response: TreeResponse) => {
      end();
      resolve(response);
    };
    const onError = (cause: unknown) => {
      end();
      reject(threadFailure(cause));
    };
    const onExit = () => onError(new Error('the thread has ended'));
    const end = () => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      // Only now may the thread let the process end.
      worker.unref();
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    worker.ref();
    worker.postMessage(job);
  });
}
