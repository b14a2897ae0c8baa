import { availableParallelism } from 'node:os';
import { Pool } from '../../base/threads/pool.js';
import { type Job, type JobResult, JobRunner, WorkerThread } from '../../base/threads/worker-thread.js';
import type { TreeJobs } from './tree-jobs.js';

export type TreeJob = Job<TreeJobs>;

/** More threads make a disk no faster. */
const MOST_THREADS = 4;

const threads = new Pool(
  () => new WorkerThread<TreeJobs>(() => new URL('../../threads/tree.cjs', import.meta.url), 'tree'),
  Math.min(availableParallelism(), MOST_THREADS),
);

/** Runs jobs in the calling thread: a small job takes less time than a thread to start. */
const callersThread = new JobRunner<TreeJobs>(async () => (await import('./tree-jobs.js')).treeJobs);

export const treeThreads = {
  /** Starts a thread, unless there is one, and does not wait for it. */
  warmUp(): void {
    threads.warmUp();
  },

  /** As `run`, in the calling thread and without an end. */
  runHere<J extends TreeJob>(job: J): Promise<JobResult<TreeJobs, J>> {
    return callersThread.run(job);
  },

  /**
   * An abort ends a stoppable job soon, and no other. Nothing works on the tree any more when this rejects.
   *
   * @throws OverlayerError when the kernel refuses a call
   * @throws `signal.reason` after an abort
   */
  run<J extends TreeJob>(job: J, signal?: AbortSignal): Promise<JobResult<TreeJobs, J>> {
    return threads.use(
      (thread) => (signal === undefined ? thread.run(job) : runUntilAborted(thread, job, signal)),
      signal,
    );
  },
};

function runUntilAborted<J extends TreeJob>(
  thread: WorkerThread<TreeJobs>,
  job: J,
  signal: AbortSignal,
): Promise<JobResult<TreeJobs, J>> {
  signal.throwIfAborted();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const onAbort = () => stop.fill(1);
  signal.addEventListener('abort', onAbort);
  return thread.run<J>({ ...job, stop }).finally(() => {
    signal.removeEventListener('abort', onAbort);
    signal.throwIfAborted();
  });
}
