import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type OpenSnapshotterOptions, OverlayerError, openSnapshotter } from '../../../src/index.js';

export interface CommitLostWrites extends Pick<OpenSnapshotterOptions, 'root' | 'backend'> {
  /** More than the disk can keep. */
  readonly bytes: number;
  /** A shell command that gives the disk room again. */
  readonly mend: string;
}

export interface CommittedLostWrites {
  /** Whether the disk kept what was written. */
  readonly kept: boolean;
  /** What the commit was told. */
  readonly commit: string;
}

const { root, backend, bytes, mend } = JSON.parse(process.argv[2]!) as CommitLostWrites;
const snapshots = await openSnapshotter({ root, backend });
const [mount] = await snapshots.prepare('active');
const file = openSync(join(mount!.source, 'file'), 'w');
let kept = true;
try {
  writeSync(file, randomBytes(bytes));
  fsyncSync(file);
} catch {
  kept = false;
}
closeSync(file);
// The next reader gets what the disk has.
const { status } = spawnSync('sh', ['-c', `${mend} && echo 3 > /proc/sys/vm/drop_caches`]);
if (status !== 0) throw new Error('The disk was not mended');
const commit = await snapshots.commit('active', { name: 'committed' }).then(
  () => 'done',
  (error: unknown) => (OverlayerError.is(error) ? error.code : `untyped: ${error}`),
);
await snapshots.close();
const report: CommittedLostWrites = { kept, commit };
process.stdout.write(JSON.stringify(report));
