import { execFileSync } from 'node:child_process';
import { OverlayerError, openSnapshotter } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import { fillSnapshot } from './fill-snapshot.js';
import { contentSum } from './tree-sum.js';

export interface LoseDisk {
  readonly place: string;
  readonly root: string;
  readonly backend: BackendName;
  readonly layer: string;
}

export interface LostDisk {
  /** The code of each refusal, or 'done'. */
  readonly outcomes: Readonly<Record<string, string>>;
  readonly sums: Readonly<Record<string, string>>;
}

const { place, root, backend, layer } = JSON.parse(process.argv[2]!) as LoseDisk;
const outcomes: Record<string, string> = {};

async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
  outcomes[what] = await work().then(
    () => 'done',
    (error: unknown) => (OverlayerError.is(error) ? error.code : `untyped: ${error}`),
  );
}

const snapshots = await openSnapshotter({ root, backend });
const sum = await contentSum(await fillSnapshot(snapshots, { key: 'a', layer }));
await snapshots.commit('a', { name: 'A' });
await fillSnapshot(snapshots, { key: 'b', parent: 'A', layer });
execFileSync('xfs_io', ['-x', '-c', 'shutdown', place]);
await attempt('prepare', () => snapshots.prepare('c', { parent: 'A' }));
await attempt('view', () => snapshots.view('v', { parent: 'A' }));
await attempt('commit', () => snapshots.commit('b', { name: 'B' }));
await attempt('update', () => snapshots.update('A', { labels: { a: 'b' } }));
await attempt('remove', () => snapshots.remove('b'));
await attempt('open', () => openSnapshotter({ root, backend }));
await attempt('close', () => snapshots.close());
const report: LostDisk = { outcomes, sums: { A: sum } };
process.stdout.write(JSON.stringify(report));
