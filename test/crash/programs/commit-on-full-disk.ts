import { rmSync, statSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { OverlayerError, openSnapshotter, unpackSnapshot } from '../../../src/index.js';
import { readRecordFile } from '../../../src/snapshot/store/snapshot-files.js';
import type { BackendName } from '../../helpers/backends.js';
import { takeTheRest } from './ballast.js';
import { fillSnapshot } from './fill-snapshot.js';
import { contentSum } from './tree-sum.js';

export interface CommitOnFullDisk {
  /** Where a small file system is mounted. */
  readonly place: string;
  readonly backend: BackendName;
  readonly layer: string;
  /** One that takes no blocks, but whose manifest does. Undefined where there is none such. */
  readonly hollow: string | undefined;
}

/** What became of each step: 'done', or the code of a refusal and what it says. */
export type CommittedOnFullDisk = Readonly<Record<string, string>>;

/** Of the file systems here at least. */
const BLOCK_BYTES = 1024;
const MOST_BLOCKS = 64;
/** Room for the metadata, and not for a manifest. */
const LEFT_BYTES = 512 * 1024;

const { place, backend, layer, hollow } = JSON.parse(process.argv[2]!) as CommitOnFullDisk;
const root = join(place, 'store');
const ballast = join(place, 'ballast');
const seen: Record<string, string> = {};

async function attempt(what: string, work: () => Promise<unknown>): Promise<void> {
  seen[what] = await work().then(
    () => 'done',
    (error: unknown) => (OverlayerError.is(error) ? `${error.code}: ${error.message}` : `untyped: ${error}`),
  );
}

const snapshots = await openSnapshotter({ root, backend });

async function look(): Promise<string> {
  const all: string[] = [];
  for await (const { name, kind } of snapshots.walk()) all.push(`${kind} ${name}`);
  return all.join(', ');
}

const tree = await fillSnapshot(snapshots, { key: 'key', layer });
const sum = await contentSum(tree);
takeTheRest(ballast);
// A block more each time: first there is none for the manifest, then one for that and none for the record file.
for (let step = 0; step < MOST_BLOCKS; step++) {
  await attempt('commit', () => snapshots.commit('key', { name: 'name' }));
  if (seen['commit'] === 'done') break;
  const record = await readRecordFile(dirname(tree));
  const recorded = typeof record === 'string' ? record : `${record.kind} ${record.name}`;
  const refusal = seen['commit']!.split(' "')[0]!; // the rest is of this machine
  seen[refusal] = `${await look()}; recorded ${recorded}`;
  truncateSync(ballast, statSync(ballast).size - BLOCK_BYTES);
}
rmSync(ballast);
seen['contents'] = (await contentSum(tree)) === sum ? 'whole' : 'damaged';

if (hollow !== undefined) {
  takeTheRest(ballast);
  truncateSync(ballast, statSync(ballast).size - LEFT_BYTES);
  await attempt('unpack', () => unpackSnapshot(snapshots, hollow, { name: 'hollow' }));
  seen['after that'] = await look();
  rmSync(ballast);
  await attempt('unpack with space', () => unpackSnapshot(snapshots, hollow, { name: 'hollow' }));
}
const { findings } = await snapshots.check();
seen['check'] = findings.map(({ kind, path }) => `${kind} ${path}`).join(', ');
await snapshots.close();
process.stdout.write(JSON.stringify(seen));
