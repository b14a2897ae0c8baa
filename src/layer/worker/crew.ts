import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { AbortedError, type Gate } from '../../base/threads/gate.js';
import { Pool, type Taken } from '../../base/threads/pool.js';
import type { Ring } from '../../base/threads/ring.js';
import {
  type Job,
  type JobHandlers,
  type JobResult,
  JobRunner,
  WorkerThread,
} from '../../base/threads/worker-thread.js';
import type { ApplyJobs, DecodeJobs } from './jobs.js';
import { createPipelineMemory, Pipeline, type PipelineMemory } from './pipeline.js';

/** What runs the jobs of an apply thread. */
type ApplyRunner = Pick<WorkerThread<ApplyJobs>, 'run' | 'broken' | 'keepAlive' | 'terminate'>;

/** The threads of one unpack, plan or diff, and the memory that they share. */
export class Crew {
  readonly pipeline: Pipeline;
  readonly inCallersThread: boolean;
  readonly apply: ApplyRunner;
  readonly #memory = createPipelineMemory();
  #decode: WorkerThread<DecodeJobs> | undefined;
  #differ: WorkerThread<ApplyJobs> | undefined;

  /** @param inCallersThread whether the jobs of the apply thread run in the calling thread, which must decode, too */
  constructor({ inCallersThread = false } = {}) {
    this.pipeline = new Pipeline(this.#memory);
    this.apply = inCallersThread
      ? new JobRunner(() => callersJobs(this.pipeline))
      : startApplyThread(this.#memory);
    this.inCallersThread = inCallersThread;
  }

  /** Starts all threads that a layer needs. */
  warmUp(): void {
    this.decode;
  }

  /** Decodes a layer, and makes a large one twice as fast. */
  get decode(): WorkerThread<DecodeJobs> {
    this.#decode ??= new WorkerThread(
      () => new URL('../../threads/decode.cjs', import.meta.url),
      'decode',
      this.#memory,
    );
    return this.#decode;
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
    return [this.apply, this.#decode, this.#differ].filter((thread) => thread !== undefined);
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

/** The event loop runs so often while its thread unpacks a layer. */
const PAUSE_EVERY_SECONDS = 0.01;

/** The umask is the whole process's, so it stays as it is. `process.umask()` would change it for a moment. */
function isUmaskZero(): boolean {
  try {
    return readFileSync('/proc/self/status', 'latin1').includes('\nUmask:\t0000\n');
  } catch {
    return false;
  }
}

/** The jobs of the apply thread, in pieces between which the event loop runs. */
async function callersJobs(pipeline: Pipeline): Promise<JobHandlers<ApplyJobs>> {
  const { applyJobs } = await import('./apply-jobs.js');
  // `performance` takes 1 ms to load.
  let last = process.uptime();
  return applyJobs(pipeline, {
    exactModes: !isUmaskZero(),
    async pause() {
      if (process.uptime() - last < PAUSE_EVERY_SECONDS) return;
      await new Promise((resolve) => setImmediate(resolve));
      last = process.uptime();
    },
  });
}

/**
 * For a process that does nothing else, such as the command line. A small layer takes 40 ms less in its thread, the time in
 * which a thread starts.
 */
export const callersCrews: Pool<Crew> = new Pool(() => new Crew({ inCallersThread: true }), 1);

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

/** Largest chunk. Chunks of 256 KiB take 6 % more processor time. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Yields the bytes of a crew's ring to the caller. They are copies, because the ring's memory is written again. The crew
 * knows while it waits for the caller.
 */
export async function* drainRing(
  crew: Taken<Crew>,
  ring: Ring,
  reader: number,
): AsyncGenerator<Uint8Array, void> {
  for (;;) {
    const available = await ring.waitAvailableAsync(reader);
    if (available < 0) return;
    const length = Math.min(available, CHUNK_BYTES);
    const start = ring.readIndex(reader);
    const bytes = Buffer.from(ring.bytes.subarray(start, start + length));
    ring.release(reader, length);
    const callerIsBack = crew.awaitCaller();
    try {
      yield bytes;
    } finally {
      callerIsBack();
    }
  }
}
