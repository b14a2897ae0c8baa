import type { OptionNames } from './check-arguments.js';
/** Options of every operation that can be cancelled. */
export interface AbortableOptions {
  /** Ends the operation early. The promise then rejects with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
}

export const ABORTABLE_OPTIONS = {
  signal: true,
} satisfies OptionNames<AbortableOptions>;

/** The result of the work, or the rejection by the signal. After an abort the work goes on, and its result is dropped. */
export async function orAborted<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work();
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([work(), aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
