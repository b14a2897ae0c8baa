import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { FilledSnapshots } from '../../../src/daemon/layers/filled-snapshots.js';
import { OverlayerError, openSnapshotter } from '../../../src/index.js';
import { DirectoryPlace } from '../../../src/snapshot/fill/fill-place.js';

export interface LoseWrites {
  readonly root: string;
  /** More than the disk can keep. */
  readonly bytes: number;
}

export interface LostWrites {
  /** Whether the flush of another program went well. */
  readonly first: boolean;
  /** What each commit was told. */
  readonly takes: readonly string[];
}

const { root, bytes } = JSON.parse(process.argv[2]!) as LoseWrites;
const key = 'default/1/extract-1 layer';
const snapshots = await openSnapshotter({ root, backend: 'native' });
const filled = new FilledSnapshots(snapshots);
const [mount] = await snapshots.prepare(key);
const destination = mount!.source;
const first = await filled.fill(
  dirname(destination),
  new DirectoryPlace({ destination }),
  { temporary: true },
  async () => {
    writeFileSync(join(destination, 'file'), randomBytes(bytes));
    return spawnSync('sync', ['-f', destination]).status === 0;
  },
);
const takes: string[] = [];
for (let time = 0; time < 2; time++)
  takes.push(
    await filled.take(key).then(
      () => 'done',
      (error: unknown) => (OverlayerError.is(error) ? error.code : `untyped: ${error}`),
    ),
  );
await snapshots.close();
const report: LostWrites = { first, takes };
process.stdout.write(JSON.stringify(report));
