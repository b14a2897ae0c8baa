import type { OptionNames } from './check-arguments.js';
/** The base of every option interface whose operation can be cancelled. */
export interface AbortableOptions {
  /** Ends the operation early; the promise rejects with `signal.reason`, as it is. */
  readonly signal?: AbortSignal | undefined;
}

export const ABORTABLE_OPTIONS = {
  signal: true,
} satisfies OptionNames<AbortableOptions>;

/** What the work comes to, unless the signal is first: the work then goes on by itself. */
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
