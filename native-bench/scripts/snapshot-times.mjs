// Milliseconds per operation of a store that holds COUNT snapshots already: node snapshot-times.mjs ROOT COUNT
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openSnapshotter } from '../../dist/index.js';
import { openLmdbStore } from '../../dist/metadata/lmdb-store.js';
import { commitRecord, createRecord, reserveIds } from '../../dist/metadata/snapshot-records.js';

const TIMES = 200;
const BATCH = 5000;
/** Layers of one image, more or less. */
const CHAIN = 8;

const [root, count] = [process.argv[2], Number(process.argv[3])];
await (await openSnapshotter({ root, backend: 'overlay' })).close();
await populate();
execFileSync('sync', ['--file-system', root]);

const snapshots = await openSnapshotter({ root });
const times = {};
for (let time = 0; time < TIMES; time++) {
  await measure('prepare', () => snapshots.prepare('key', { parent: 'layer0' }));
  await measure('commit', () => snapshots.commit('key', { name: 'name' }));
  await measure('stat', () => snapshots.stat('name'));
  await measure('remove', () => snapshots.remove('name'));
}
let walked = 0;
await measure('walk', async () => {
  for await (const _ of snapshots.walk()) walked++;
});
if (walked !== count) throw new Error(`${walked} snapshots instead of ${count}`);
await snapshots.close();
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
console.log(
  JSON.stringify(Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all)]))),
);

async function measure(name, operation) {
  const start = process.hrtime.bigint();
  await operation();
  times[name] ??= [];
  times[name].push(Number(process.hrtime.bigint() - start) / 1e6);
}

/** Without a write to the disk for each. */
async function populate() {
  const store = openLmdbStore(join(root, 'metadata.db'));
  for (let first = 0; first < count; first += BATCH)
    await store.write((transaction) => {
      const last = Math.min(count, first + BATCH);
      let id = reserveIds(transaction, last - first);
      for (let index = first; index < last; index++, id++) {
        mkdirSync(join(root, 'snapshots', String(id), 'fs'), { recursive: true, mode: 0o755 });
        const parent = index % CHAIN === 0 ? undefined : `layer${index - 1}`;
        createRecord(transaction, { name: 'key', id, kind: 'active', parent, labels: {}, staged: false });
        commitRecord(transaction, 'key', {
          ...{ name: `layer${index}`, parent: undefined, labels: {}, usage: { bytes: 0, inodes: 1 } },
        });
      }
    });
  await store.close();
}
