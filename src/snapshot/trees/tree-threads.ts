import { availableParallelism } from 'node:os';
import { Pool } from '../../base/threads/pool.js';
import { type Job, type JobResult, JobRunner, WorkerThread } from '../../base/threads/worker-thread.js';
import type { FileFacts } from '../../layer/manifest/file-facts.js';
import type { TreeDamage } from '../../layer/manifest/verify-tree.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import type { ConvertRequest } from './convert-whiteouts.js';
import type { InheritRequest } from './inherit-attributes.js';
import type { MendRequest } from './mend-tree.js';
import type { VerifyRequest, VerifyResult } from './verify-snapshot.js';

/** A job that the caller can end. */
export interface Stoppable {
  /** Shared memory: the job ends at its next call to the kernel once there is a 1. */
  readonly stop?: Int32Array | undefined;
}

/** Work on whole trees. Threads do it, so that the caller's event loop stays free. */
export interface TreeJobs {
  /** `to` is an empty directory. */
  copy(input: Stoppable & { readonly from: string; readonly to: string }): void;
  measure(input: Stoppable & { readonly directory: string }): SnapshotUsage;
  /**
   * Writes a manifest of a tree. It reads the files that `facts` does not describe.
   *
   * @returns as `writeManifest`
   */
  manifest(
    input: Stoppable & {
      readonly tree: string;
      readonly manifest: string;
      readonly facts?: FileFacts | undefined;
      readonly diffID?: string | undefined;
    },
  ): SnapshotUsage | undefined;
  /** Gives the root of a layer that does not list it the attributes of another layer's root. */
  inherit(input: { readonly from: string; readonly to: string }): void;
  'inherit-unlisted'(input: InheritRequest): void;
  /** Removes trees. Does not cross mounts. Does nothing for a tree that does not exist. */
  remove(input: Stoppable & { readonly parent: string; readonly names: readonly string[] }): void;
  'convert-whiteouts'(input: ConvertRequest): void;
  verify(input: Stoppable & VerifyRequest): VerifyResult;
  mend(input: MendRequest): readonly TreeDamage[];
}

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
