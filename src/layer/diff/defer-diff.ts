import type { Diff, DiffResult } from './options.js';

/**
 * A diff that begins when its bytes are first asked for.
 *
 * @param run gives the bytes, and returns the result
 */
export function deferDiff(run: () => AsyncGenerator<Uint8Array, DiffResult>): Diff {
  let resolve!: (result: DiffResult) => void;
  let reject!: (error: unknown) => void;
  const result = new Promise<DiffResult>((...settle) => ([resolve, reject] = settle));
  result.catch(() => {}); // it is the loop that must not be overheard
  return {
    result,
    async *[Symbol.asyncIterator]() {
      try {
        resolve(yield* run());
      } catch (error) {
        reject(error);
        throw error;
      } finally {
        reject(new Error('The diff was left before its end'));
      }
    },
  };
}
