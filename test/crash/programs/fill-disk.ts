import { rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OverlayerError, openSnapshotter } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import { takeTheRest } from './ballast.js';
import { checkStore } from './check-store.js';
import { fillSnapshot } from './fill-snapshot.js';
import { contentSum } from './tree-sum.js';

export interface FillDisk {
  /** Where a small file system is mounted. */
  readonly place: string;
  readonly backend: BackendName;
  /** One that fits, and one that does not. */
  readonly layers: { readonly small: string; readonly large: string };
}

export interface FilledDisk {
  /** The code of each refusal, or 'done'. */
  readonly outcomes: Readonly<Record<string, string>>;
  /** Bytes taken before and after what was refused. */
  readonly before: number;
  readonly after: number;
  readonly problems: readonly string[];
}

const { place, backend, layers } = JSON.parse(process.argv[2]!) as FillDisk;
const root = join(place, 'store');
const ballast = join(place, 'ballast');
const outcomes: Record<string, string> = {};

async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
  outcomes[what] = await work().then(
    () => 'done',
    (error: unknown) => (OverlayerError.is(error) ? error.code : `untyped: ${error}`),
  );
}

/** Again and again, until it is refused. */
async function exhaust(what: string, work: (count: number) => Promise<unknown>): Promise<void> {
  for (let count = 0; count < 5000 && (outcomes[what] ?? 'done') === 'done'; count++)
    await attempt(what, () => work(count));
}

/** Without the metadata: their file never shrinks, its pages are used again. */
function used(): number {
  const { blocks, bfree, bsize } = statfsSync(place);
  return (blocks - bfree) * bsize - statSync(join(root, 'metadata.db')).blocks * 512;
}

takeTheRest(ballast);
await attempt('open a new store', async () => (await openSnapshotter({ root, backend })).close());
rmSync(ballast);
rmSync(root, { recursive: true, force: true });

const snapshots = await openSnapshotter({ root, backend });
const directory = await fillSnapshot(snapshots, { key: 'a', layer: layers.small });
const sums = { A: await contentSum(directory) };
await snapshots.commit('a', { name: 'A' });
const before = used();

await attempt('unpack', () => fillSnapshot(snapshots, { key: 'large', layer: layers.large }));
await attempt('remove what was unpacked half', () => snapshots.remove('large'));

await snapshots.prepare('b');
await snapshots.prepare('c');
takeTheRest(ballast);
await exhaust('prepare', (count) => snapshots.prepare(`more${count}`, { parent: 'A' }));
await attempt('read', () => snapshots.stat('A'));
await attempt('commit', () => snapshots.commit('b', { name: 'empty' }));
await attempt('remove', () => snapshots.remove('c'));
await exhaust('update', (count) =>
  snapshots.update(
    'A',
    { labels: { [`label${count}`]: 'x'.repeat(3000) } },
    { fieldpaths: [`labels.label${count}`] },
  ),
);
await attempt('read after metadata were refused', () => snapshots.stat('A'));
await snapshots.close();
rmSync(ballast);

const again = await openSnapshotter({ root, backend });
for await (const { name } of again.walk()) if (name !== 'A') await again.remove(name);
await again.cleanup();
const after = used();
await again.close();
const claims = { present: ['A'], absent: ['empty', 'c'], sums };
const problems = await checkStore({ root, backend, claims, layer: layers.small });
const report: FilledDisk = { outcomes, before, after, problems };
process.stdout.write(JSON.stringify(report));
