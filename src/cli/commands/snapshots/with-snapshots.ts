import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError, openSnapshotter, type Snapshotter } from '../../../index.js';
import { type FailureContext, reportFailure } from '../../report-failure.js';
import { type RootFlags, rootOf } from '../../root-flags.js';

/** Opens the snapshots, making the root if need be, and reports what goes wrong. @returns the exit code */
export async function withSnapshots(
  flags: RootFlags,
  use: (snapshots: Snapshotter) => Promise<void>,
  failure: (error: unknown) => FailureContext = () => ({ form: 'text' }),
): Promise<number> {
  try {
    const snapshots = await openSnapshotter({ root: rootOf(flags), backend: flags.backend });
    try {
      await use(snapshots);
    } finally {
      await snapshots.close();
    }
    return 0;
  } catch (error) {
    return reportFailure(error, failure(error));
  }
}

/** For commands that make no sense where there are no snapshots: a mistyped root is not made. */
export async function withExistingSnapshots(
  flags: RootFlags,
  use: (snapshots: Snapshotter) => Promise<void>,
  failure?: (error: unknown) => FailureContext,
): Promise<number> {
  try {
    existingRoot(flags);
  } catch (error) {
    return reportFailure(error, { form: 'text' });
  }
  return await withSnapshots(flags, use, failure);
}

/** @throws OverlayerError `NotFound` */
export function existingRoot(flags: Pick<RootFlags, 'root'>): string {
  const root = rootOf(flags);
  if (existsSync(join(root, 'snapshots'))) return root;
  throw new OverlayerError('NotFound', `There are no snapshots in "${root}"`, {
    hint: 'unpack or prepare makes the first; --root names another place',
  });
}
