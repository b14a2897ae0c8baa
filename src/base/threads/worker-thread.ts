import { type MessagePort, parentPort, Worker, workerData } from 'node:worker_threads';
import { fromPlainError, OverlayerError, type PlainError, toPlainError } from '../errors.js';
import { loadKoffiAhead } from '../natives.js';
import { findThread } from './find-thread.js';
import { AbortedError } from './gate.js';

/** Longest that the process waits, at its end, for a thread that is still loading. */
const LOADING_MS = 2000;

/** Resources that can be exhausted when a thread starts, and how to get more of them. */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'raise the limit of open files (sysctl fs.file-max)',
  EAGAIN: 'raise the limit of processes (ulimit -u)',
  ENOMEM: 'raise the limit of memory',
};

/**
 * The jobs of one kind of thread, as an interface with a method for each. The method takes the job's input and
 * returns its result. A job that sends events before its result takes a second parameter, `tell`.
 */
type JobTable<Jobs> = { readonly [Type in keyof Jobs]: (input: never, tell: never) => unknown };

/** A job as it is sent to the thread: its input and its `type`, the name of its method in `Jobs`. */
export type Job<Jobs extends JobTable<Jobs>> = {
  [Type in keyof Jobs]: { readonly type: Type } & Parameters<Jobs[Type]>[0];
}[keyof Jobs];

export type JobResult<Jobs extends JobTable<Jobs>, J extends Job<Jobs>> = Awaited<
  ReturnType<Jobs[J['type']]>
>;

/** The functions that a thread runs, by type of job. */
export type JobHandlers<Jobs extends JobTable<Jobs>> = {
  readonly [Type in keyof Jobs]: (
    ...parameters: Parameters<Jobs[Type]>
  ) => ReturnType<Jobs[Type]> | Promise<ReturnType<Jobs[Type]>>;
};

/** A message from the thread to its owner. A job is answered by any number of events, and then one of the others. */
type Message =
  | { readonly type: 'event'; readonly event: unknown }
  | { readonly type: 'done'; readonly result: unknown }
  | { readonly type: 'failed'; readonly error: PlainError }
  /** The job threw an `AbortedError`: the owner, or another thread, has the reason. */
  | { readonly type: 'aborted' };

interface Start {
  /** Becomes 1 when the thread has loaded its modules and koffi. */
  readonly loaded: Int32Array;
  readonly data: unknown;
}

interface RunningJob {
  readonly tell: ((event: never) => void) | undefined;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/**
 * A worker thread that runs one job at a time. It keeps the process alive only while a job runs.
 *
 * Its listeners stay for its life: adding and removing them costs up to 0.1 ms a job.
 */
export class WorkerThread<Jobs extends JobTable<Jobs>> {
  readonly #worker: Worker;
  #running: RunningJob | undefined;
  #failure: OverlayerError | undefined;

  /**
   * @param script `() => new URL(file, import.meta.url)` with a literal for `file`: bundlers look for this form
   * @param name of the file in `dist/threads/`
   * @param data for `threadData`
   */
  constructor(script: () => URL, name: 'apply' | 'decode' | 'mount' | 'probe' | 'tree', data?: unknown) {
    this.#worker = startWorker(script, name, data);
    this.#worker.on('message', (message: Message) => this.#receive(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error(`The ${name} thread has ended`)));
    // The listeners were added before: adding one refs the worker.
    this.#worker.unref();
  }

  /** The thread has ended: every further job is rejected. */
  get broken(): boolean {
    return this.#failure !== undefined;
  }

  /**
   * @param tell is called with each event that the job sends
   * @throws AbortedError when the thread's gate was closed
   * @throws OverlayerError the job's error; `Internal` or `ResourceExhausted` when the thread itself fails
   */
  run<J extends Job<Jobs>>(job: J, tell?: Parameters<Jobs[J['type']]>[1]): Promise<JobResult<Jobs, J>> {
    return new Promise<unknown>((resolve, reject) => {
      if (this.#failure !== undefined) return reject(this.#failure);
      this.#running = { tell, resolve, reject };
      this.#worker.ref();
      this.#worker.postMessage(job);
    }) as Promise<JobResult<Jobs, J>>;
  }

  /** Runs a job and ends the thread. The thread has closed its descriptors when this returns. */
  async runLast<J extends Job<Jobs>>(job: J): Promise<JobResult<Jobs, J>> {
    try {
      return await this.run(job);
    } finally {
      await this.terminate();
    }
  }

  /** Whether a running job keeps the process alive. It does, until the work waits for a caller who may never come back. */
  keepAlive(whileRunning: boolean): void {
    if (this.#running === undefined) return;
    if (whileRunning) this.#worker.ref();
    else this.#worker.unref();
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: Message): void {
    if (message.type === 'event') {
      this.#running?.tell?.(message.event as never);
      return;
    }
    const running = this.#running;
    this.#running = undefined;
    this.#worker.unref();
    if (message.type === 'done') running?.resolve(message.result);
    else running?.reject(message.type === 'failed' ? fromPlainError(message.error) : new AbortedError());
  }

  #fail(cause: unknown): void {
    this.#failure ??= threadFailure(cause);
    this.#running?.reject(this.#failure);
    this.#running = undefined;
  }
}

const loading = new Set<Int32Array>();

function startWorker(script: () => URL, name: string, data: unknown): Worker {
  const loaded = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(findThread(name, script), {
    name: `overlayer-${name}`,
    workerData: { loaded, data },
    // Flags of the caller's process are not inherited: some (--input-type) keep a worker from starting.
    execArgv: [],
    // The threads' objects are short-lived: a small young generation keeps their memory small too.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  if (loading.size === 0) process.on('exit', awaitLoading);
  loading.add(loaded);
  worker.on('exit', () => {
    loading.delete(loaded);
    if (loading.size === 0) process.off('exit', awaitLoading);
  });
  return worker;
}

/** koffi 3.3 aborts the process when its thread is stopped while it loads. */
function awaitLoading(): void {
  for (const loaded of loading) Atomics.wait(loaded, 0, 0, LOADING_MS);
}

/** The error of a thread that has ended by itself or could not start. Node gives the reason only in words. */
export function threadFailure(cause: unknown): OverlayerError {
  const words = cause instanceof Error ? cause.message : String(cause);
  const errno = Object.keys(SHORTAGES).find((each) => words.includes(each));
  if (errno === undefined)
    return new OverlayerError('Internal', `A worker thread of overlayer failed: ${words}`, { cause });
  const hint = SHORTAGES[errno];
  return new OverlayerError('ResourceExhausted', `Cannot start a thread: ${words}`, { cause, errno, hint });
}

/** Runs the jobs of a `WorkerThread` in the calling thread. Their errors are as those of a thread. */
export class JobRunner<Jobs extends JobTable<Jobs>> {
  readonly broken = false;
  readonly #load: () => Promise<JobHandlers<Jobs>>;
  #handlers: JobHandlers<Jobs> | undefined;

  constructor(load: () => Promise<JobHandlers<Jobs>>) {
    this.#load = load;
  }

  async run<J extends Job<Jobs>>(
    job: J,
    tell: (event: never) => void = () => {},
  ): Promise<JobResult<Jobs, J>> {
    try {
      this.#handlers ??= await this.#load();
      return (await runJob(this.#handlers, job, tell)) as JobResult<Jobs, J>;
    } catch (error) {
      throw error instanceof AbortedError ? error : fromPlainError(toPlainError(error));
    }
  }

  keepAlive(): void {}

  async terminate(): Promise<void> {}
}

function runJob<Jobs extends JobTable<Jobs>>(
  handlers: JobHandlers<Jobs>,
  job: { readonly type: keyof Jobs },
  tell: (event: never) => void,
): unknown {
  const handler = handlers[job.type] as (input: unknown, tell: unknown) => unknown;
  return handler(job, tell);
}

/** Called in the thread. @returns the `data` that its `WorkerThread` was made with */
export function threadData<Data>(): Data {
  return (workerData as Start).data as Data;
}

/**
 * Called in the thread, once everything is loaded. Runs the jobs that the thread is sent.
 *
 * @param onFailure called after a job has failed, before its error is sent
 */
export function handleJobs<Jobs extends JobTable<Jobs>>(
  handlers: JobHandlers<Jobs>,
  onFailure: () => void = () => {},
): void {
  const { loaded } = workerData as Start;
  loadKoffiAhead();
  Atomics.store(loaded, 0, 1);
  Atomics.notify(loaded, 0);
  const port = parentPort as MessagePort;
  const send = (message: Message) => port.postMessage(message);
  const tell = (event: unknown) => send({ type: 'event', event });
  port.on('message', async (job: { readonly type: keyof Jobs }) => {
    try {
      send({ type: 'done', result: await runJob(handlers, job, tell) });
    } catch (error) {
      onFailure();
      send(
        error instanceof AbortedError ? { type: 'aborted' } : { type: 'failed', error: toPlainError(error) },
      );
    }
  });
}
