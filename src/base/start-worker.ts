import { Worker, workerData } from 'node:worker_threads';
import { OverlayerError } from './errors.js';
import { findThread } from './find-thread.js';
import { loadKoffiAhead } from './natives.js';

/** Longest that the process waits, at its end, for a thread that is still loading. */
const LOADING_MS = 2000;

/** What a thread that starts may find too little of, and what to do. */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'raise the limit of open files (sysctl fs.file-max)',
  EAGAIN: 'raise the limit of processes (ulimit -u)',
  ENOMEM: 'raise the limit of memory',
};

interface Begin {
  /** Not 0 once all of its modules, and koffi, are loaded. */
  readonly loaded: Int32Array;
  readonly data: unknown;
}

export interface WorkerOptions {
  /** Of the file in `dist/threads/`. */
  readonly name: 'apply' | 'decode' | 'mount' | 'probe' | 'tree';
  /** What the thread gets from `beginWork`. */
  readonly data?: unknown;
}

const running = new Set<Int32Array>();

/**
 * Starts a thread, which calls `beginWork` once it is loaded.
 *
 * @param script `() => new URL(file, import.meta.url)` with a literal for `file`, as bundlers know it
 */
export function startWorker(script: () => URL, { name, data }: WorkerOptions): Worker {
  const loaded = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(findThread(name, script), {
    name: `overlayer-${name}`,
    workerData: { loaded, data } satisfies Begin,
    // The caller's flags are its own; some (--input-type) would keep a worker from starting.
    execArgv: [],
    // What they make is short-lived: a small young generation keeps the threads' memory small too.
    resourceLimits: { maxYoungGenerationSizeMb: 8 },
  });
  if (running.size === 0) process.on('exit', awaitLoading);
  running.add(loaded);
  worker.on('exit', () => {
    running.delete(loaded);
    if (running.size === 0) process.off('exit', awaitLoading);
  });
  return worker;
}

/** What it means that a thread has ended by itself, or could not start: Node tells in words why it could not. */
export function threadFailure(cause: unknown): OverlayerError {
  const says = cause instanceof Error ? cause.message : String(cause);
  const errno = Object.keys(SHORTAGES).find((each) => says.includes(each));
  if (errno === undefined)
    return new OverlayerError('Internal', `A worker thread of overlayer failed: ${says}`, { cause });
  const hint = SHORTAGES[errno];
  return new OverlayerError('ResourceExhausted', `Cannot start a thread: ${says}`, { cause, errno, hint });
}

/** A native addon that is stopped while it loads ends the process with an abort (koffi 3.3). */
function awaitLoading(): void {
  for (const loaded of running) Atomics.wait(loaded, 0, 0, LOADING_MS);
}

/** In the thread. @returns what it was started with */
export function beginWork<T>(): T {
  const { loaded, data } = workerData as Begin;
  loadKoffiAhead();
  Atomics.store(loaded, 0, 1);
  Atomics.notify(loaded, 0);
  return data as T;
}
