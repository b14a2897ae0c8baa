import { openSnapshotter, type Snapshotter } from '../../../index.js';
import { existingRoot, type RootFlags, rootOf } from '../../flags/root-flags.js';
import { type FailureFlags, reportFailure } from '../../report-failure.js';

type Use = (snapshots: Snapshotter) => Promise<void>;
type Aftermath = (error: unknown) => string | undefined;

/**
 * Opens the snapshots, making the root if need be, and reports what goes wrong.
 *
 * @param aftermath what a failure leaves behind
 * @returns the exit code
 */
export async function withSnapshots(
  flags: RootFlags & FailureFlags,
  use: Use,
  aftermath?: Aftermath,
): Promise<number> {
  return await runOnSnapshots(() => rootOf(flags), flags, use, aftermath);
}

/** For commands that make no sense where there are no snapshots: a mistyped root is not made. */
export async function withExistingSnapshots(
  flags: RootFlags & FailureFlags,
  use: Use,
  aftermath?: Aftermath,
): Promise<number> {
  return await runOnSnapshots(() => existingSnapshots(flags), flags, use, aftermath);
}

/** @throws OverlayerError `NotFound`, `PermissionDenied` */
export function existingSnapshots(flags: Pick<RootFlags, 'root'>): string {
  return existingRoot(flags, { name: 'snapshots', origin: 'unpack or prepare makes the first' });
}

async function runOnSnapshots(
  root: () => string,
  flags: RootFlags & FailureFlags,
  use: Use,
  aftermath?: Aftermath,
): Promise<number> {
  try {
    const snapshots = await openSnapshotter({ root: root(), backend: flags.backend });
    try {
      await use(snapshots);
    } finally {
      await snapshots.close();
    }
    return 0;
  } catch (error) {
    return reportFailure(error, flags, aftermath?.(error));
  }
}
