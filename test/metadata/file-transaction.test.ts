import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readFileTransaction } from '../../src/metadata/file-transaction.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const PAGE = 4096;
const STORE = new URL('../../dist/metadata/lmdb-store.js', import.meta.url).href;

/** Changes two records together until its output is closed. One of them is larger than a page. */
const CHANGE = `
const { openLmdbStore } = await import(${JSON.stringify(STORE)});
const store = openLmdbStore(process.argv[1]);
for (let count = 0; process.connected; count++) {
  await store.write((transaction) => {
    transaction.put(['pair', 'small'], count);
    transaction.put(['pair', 'large'], String(count).padEnd(${3 * PAGE}));
  });
  if (count === 1) process.send('ready');
}
await store.close();
`;

let directory: string;
let path: string;
beforeEach(() => {
  directory = makeWorkDirectory();
  path = join(directory, 'metadata.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

const sections = ['image', 'version'];
const name = fc.stringMatching(/^[a-z0-9/:.é€😀]{1,90}$/u);

test('entries of the wanted sections are those that LMDB reads', async () => {
  const contents = fc.dictionary(name, fc.oneof(fc.jsonValue(), fc.constant('x'.repeat(2 * PAGE))), {
    maxKeys: 300,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(contents, async (images) => {
      const store = openLmdbStore(path);
      await store.write((transaction) => {
        for (const [key, value] of Object.entries(images)) {
          transaction.put(['image', key], (value ?? null) as string);
          transaction.put(['images', key], 1);
          transaction.put(['snapshot', key, 7], 2);
        }
        transaction.put(['version'], 3);
      });
      const transaction = readFileTransaction(path, sections)!;
      expect([...transaction.entries(['image'])]).toEqual(store.read((all) => [...all.entries(['image'])]));
      for (const key of Object.keys(images))
        expect(transaction.get(['image', key])).toEqual(store.read((all) => all.get(['image', key])));
      expect(transaction.get(['version'])).toBe(3);
      expect(transaction.get(['snapshot'])).toBeUndefined();
      await store.close();
      rmSync(path);
    }),
    { numRuns: 10 },
  );
});

test('a read while another process writes is of one transaction', async () => {
  const args = ['--input-type=module', '--eval', CHANGE, path];
  const writer = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(writer, 'message');
  const seen = new Set<unknown>();
  for (let time = 0; time < 2000; time++) {
    const transaction = readFileTransaction(path, ['pair']);
    if (transaction === undefined) continue;
    const count = transaction.get(['pair', 'small']);
    expect((transaction.get(['pair', 'large']) as string).trimEnd()).toBe(String(count));
    seen.add(count);
  }
  expect(seen.size).toBeGreaterThan(1);
  writer.disconnect();
  await once(writer, 'exit');
});

test.each<[string, () => void]>([
  ['is absent', () => rmSync(path)],
  ['is empty', () => truncateSync(path)],
  ['is cut off', () => truncateSync(path, 2 * PAGE)],
  ['is not of LMDB', () => writeFileSync(path, 'text'.repeat(5000))],
  [
    'has a record that is not JSON',
    () =>
      writeFileSync(path, String(readFileSync(path, 'latin1')).replaceAll('"value"', '"value '), 'latin1'),
  ],
])('LMDB has to read a file that %s', async (_, damage) => {
  const store = openLmdbStore(path);
  await store.write((transaction) => transaction.put(['image', 'a'], 'value'));
  await store.close();
  expect(readFileTransaction(path, sections)?.get(['image', 'a'])).toBe('value');
  damage();
  expect(readFileTransaction(path, sections)).toBeUndefined();
});
