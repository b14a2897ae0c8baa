import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError, openStore, type Store } from '../../index.js';
import { type FailureContext, reportFailure } from '../report-failure.js';
import { type RootFlags, rootOf } from '../root-flags.js';

/**
 * Opens the store, making the root if need be, and reports what goes wrong.
 *
 * @returns the exit code, 0 unless `use` says another
 */
export async function withStore(
  flags: RootFlags,
  use: (store: Store) => Promise<number | undefined>,
  failure: (error: unknown) => FailureContext = () => ({ form: 'text' }),
): Promise<number> {
  try {
    const store = await openStore({ root: rootOf(flags), backend: flags.backend });
    try {
      return (await use(store)) ?? 0;
    } finally {
      await store.close();
    }
  } catch (error) {
    return reportFailure(error, failure(error));
  }
}

/** For commands that make no sense where there is nothing: a mistyped root is not made. */
export async function withExistingStore(
  flags: RootFlags,
  use: (store: Store) => Promise<number | undefined>,
): Promise<number> {
  const root = rootOf(flags);
  if (existsSync(join(root, 'snapshots'))) return await withStore(flags, use);
  const error = new OverlayerError('NotFound', `There are no images in "${root}"`, {
    hint: 'pull or import gets some; --root names another place',
  });
  return reportFailure(error, { form: 'text' });
}
