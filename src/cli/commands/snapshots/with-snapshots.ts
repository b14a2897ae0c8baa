import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { OverlayerError, openSnapshotter, type Snapshotter } from '../../../index.js';
import { type FailureContext, reportFailure } from '../../report-failure.js';

/** Options of every command on snapshots, as commander gives them. */
export interface SnapshotFlags {
  readonly root?: string;
  readonly backend?: 'overlay' | 'native';
  readonly json?: true;
}

/** Opens the snapshots, making the root if need be, and reports what goes wrong. @returns the exit code */
export async function withSnapshots(
  flags: SnapshotFlags,
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
  flags: SnapshotFlags,
  use: (snapshots: Snapshotter) => Promise<void>,
): Promise<number> {
  try {
    existingRoot(flags);
  } catch (error) {
    return reportFailure(error, { form: 'text' });
  }
  return await withSnapshots(flags, use);
}

/** @throws OverlayerError `NotFound` */
export function existingRoot(flags: Pick<SnapshotFlags, 'root'>): string {
  const root = rootOf(flags);
  if (existsSync(join(root, 'snapshots'))) return root;
  throw new OverlayerError('NotFound', `There are no snapshots in "${root}"`, {
    hint: 'unpack or prepare makes the first; --root names another place',
  });
}

/** The system's place for root; for others the one of the XDG base directory specification. */
function rootOf({ root }: Pick<SnapshotFlags, 'root'>): string {
  if (root !== undefined) return root;
  if (process.geteuid!() === 0) return '/var/lib/overlayer';
  const data = process.env['XDG_DATA_HOME'] ?? '';
  return join(isAbsolute(data) ? data : join(homedir(), '.local/share'), 'overlayer');
}

/** Says what came of it: in words, or with `--json` as one document. */
export function printResult({ json }: SnapshotFlags, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document, undefined, 2)}\n` : text);
}
