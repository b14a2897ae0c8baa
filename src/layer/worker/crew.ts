import { availableParallelism } from 'node:os';
import { AbortedError, type Gate } from '../../base/threads/gate.js';
import { Pool } from '../../base/threads/pool.js';
import { type Job, type JobResult, WorkerThread } from '../../base/threads/worker-thread.js';
import type { ApplyJobs, DecodeJobs } from './jobs.js';
import { createPipelineMemory, Pipeline, type PipelineMemory } from './pipeline.js';

/** The threads of one unpack, plan or diff, and the memory that they share. */
export class Crew {
  readonly pipeline: Pipeline;
  readonly decode: WorkerThread<DecodeJobs>;
  readonly apply: WorkerThread<ApplyJobs>;
  readonly #memory = createPipelineMemory();
  #differ: WorkerThread<ApplyJobs> | undefined;

  constructor() {
    const memory = this.#memory;
    this.pipeline = new Pipeline(memory);
    this.decode = new WorkerThread(
      () => new URL('../../threads/decode.cjs', import.meta.url),
      'decode',
      memory,
    );
    this.apply = startApplyThread(memory);
  }

  /** Writes the archive that the apply thread unpacks. Only a layer that is made and unpacked in one pass needs it. */
  get differ(): WorkerThread<ApplyJobs> {
    this.#differ ??= startApplyThread(this.#memory);
    return this.#differ;
  }

  get broken(): boolean {
    return this.#threads.some(({ broken }) => broken);
  }

  keepAlive(whileRunning: boolean): void {
    for (const thread of this.#threads) thread.keepAlive(whileRunning);
  }

  async terminate(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  get #threads() {
    const { decode, apply } = this;
    return this.#differ === undefined ? [decode, apply] : [decode, apply, this.#differ];
  }
}

function startApplyThread(memory: PipelineMemory): WorkerThread<ApplyJobs> {
  return new WorkerThread(() => new URL('../../threads/apply.cjs', import.meta.url), 'apply', memory);
}

/**
 * The crews of `unpackLayer`, `planLayer` and `createDiff`, as many as there are cores. They are kept: starting one
 * takes 50 ms, and 35 ms of processor time for each of its threads.
 */
export const crews: Pool<Crew> = new Pool(() => new Crew(), availableParallelism());

/**
 * Runs a job of an apply thread that needs no other thread.
 *
 * @throws the job's error; `signal.reason` when the signal ended it
 */
export async function runAlone<J extends Job<ApplyJobs>>(
  job: J,
  signal: AbortSignal | undefined,
): Promise<JobResult<ApplyJobs, J>> {
  signal?.throwIfAborted();
  return await crews.use(({ pipeline, apply }) => {
    pipeline.reset();
    const abort = () => pipeline.gate.abort();
    signal?.addEventListener('abort', abort, { once: true });
    return apply
      .run(job)
      .catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : error;
      })
      .finally(() => signal?.removeEventListener('abort', abort));
  }, signal);
}

/**
 * Waits for every part of a crew's work, also after one has failed: the parts share memory. The first failure closes
 * the gate, which ends the others with `AbortedError`.
 *
 * @param stop called at each failure
 * @throws the error of the part that failed by itself
 */
export async function settleAll<T extends readonly unknown[]>(
  gate: Gate,
  parts: T,
  stop: () => void,
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  const failures: unknown[] = [];
  const results = await Promise.all(
    parts.map(async (part) => {
      try {
        return await part;
      } catch (error) {
        failures.push(error);
        gate.abort();
        stop();
        return undefined;
      }
    }),
  );
  if (failures.length > 0) throw failures.find((error) => !(error instanceof AbortedError)) ?? failures[0];
  return results as { [K in keyof T]: Awaited<T[K]> };
}
