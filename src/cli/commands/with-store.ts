import { openStore, type Store } from '../../index.js';
import { existingRoot, type RootFlags, rootOf } from '../flags/root-flags.js';
import { type FailureFlags, reportFailure } from '../report-failure.js';

type Use = (store: Store) => Promise<number | undefined>;

/**
 * Opens the store, making the root if need be, and reports what goes wrong.
 *
 * @param aftermath what a failure leaves behind
 * @returns the exit code, 0 unless `use` says another
 */
export async function withStore(
  flags: RootFlags & FailureFlags,
  use: Use,
  aftermath?: (error: unknown) => string | undefined,
): Promise<number> {
  return await runOnStore(() => rootOf(flags), flags, use, aftermath);
}

/** For commands that make no sense where there is nothing: a mistyped root is not made. */
export async function withExistingStore(flags: RootFlags & FailureFlags, use: Use): Promise<number> {
  const images = { name: 'images', origin: 'pull or import gets some' };
  return await runOnStore(() => existingRoot(flags, images), flags, use);
}

async function runOnStore(
  root: () => string,
  flags: RootFlags & FailureFlags,
  use: Use,
  aftermath?: (error: unknown) => string | undefined,
): Promise<number> {
  try {
    const store = await openStore({ root: root(), backend: flags.backend });
    try {
      return (await use(store)) ?? 0;
    } finally {
      await store.close();
    }
  } catch (error) {
    return reportFailure(error, flags, aftermath?.(error));
  }
}
