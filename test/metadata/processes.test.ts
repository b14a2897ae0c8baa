import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import type { MetadataStore } from '../../src/metadata/metadata-store.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

/** Counts up, and notes each count; says after each what it has noted, and ends after so many. */
const COUNT = `
const { openLmdbStore } = await import(${JSON.stringify(new URL('../../dist/metadata/lmdb-store.js', import.meta.url).href)});
const [path, times] = process.argv.slice(1);
const store = openLmdbStore(path);
for (let time = 0; time < Number(times); time++) {
  const noted = await store.write((transaction) => {
    const count = transaction.get(['count']) ?? 0;
    transaction.put(['count'], count + 1);
    transaction.put(['noted', count], process.pid);
    return count;
  });
  process.send(noted);
}
await store.close();
process.disconnect();
`;

/** In each transaction makes a directory for half a millisecond; says how often it was there already. */
const COLLIDE = `
const { openLmdbStore } = await import(${JSON.stringify(new URL('../../dist/metadata/lmdb-store.js', import.meta.url).href)});
const { mkdirSync, rmdirSync } = await import('node:fs');
const [path] = process.argv.slice(1);
const store = openLmdbStore(path);
let collisions = 0;
const change = (transaction) => {
  try {
    mkdirSync(path + '-held');
  } catch {
    collisions++;
    return;
  }
  for (const begin = performance.now(); performance.now() - begin < 0.5; );
  rmdirSync(path + '-held');
  transaction.put([process.pid], Math.random());
};
for (let time = 0; time < 20; time++) await Promise.all([store.write(change), store.write(change)]);
await store.close();
process.send(collisions);
process.disconnect();
`;

let directory: string;
let path: string;
let store: MetadataStore;
beforeEach(() => {
  directory = makeWorkDirectory('disk');
  path = join(directory, 'metadata.db');
  store = openLmdbStore(path);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

function start(times: number): { readonly process: ChildProcess; readonly noted: number[] } {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', COUNT, path, String(times)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const noted: number[] = [];
  child.on('message', (count: number) => noted.push(count));
  return { process: child, noted };
}

const notes = () =>
  store.read((transaction) => ({
    count: transaction.get(['count']),
    noted: Array.from(transaction.entries(['noted']), ({ key }) => key[1]),
  }));

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

test('several processes write one after the other, and nothing is lost', async () => {
  const writers = [start(100), start(100), start(100)];
  await Promise.all(writers.map((writer) => once(writer.process, 'exit')));
  expect(notes()).toEqual({ count: 300, noted: upTo(300) });
});

test('a process killed while it writes holds nobody up, and what it was told is written stays', async () => {
  const told: number[] = [];
  for (const number of upTo(12)) {
    const writer = start(1_000_000);
    // After a few writes, more or less: somewhere in the next one.
    while (writer.noted.length <= number * 3) await once(writer.process, 'message');
    writer.process.kill('SIGKILL');
    await once(writer.process, 'exit');
    told.push(...writer.noted);
    await store.write((transaction) => transaction.put(['mine'], number));
  }
  const { count, noted } = notes();
  expect(noted).toEqual(upTo(count as number));
  expect(noted).toEqual(expect.arrayContaining(told));
});

test('what a transaction does outside of the store is safe from the others, of all processes', async () => {
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ['--input-type=module', '--eval', COLLIDE, path], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    }),
  );
  const collisions = await Promise.all(children.map((child) => once(child, 'message')));
  expect(collisions.map(([count]) => count)).toEqual([0, 0, 0]);
});

test('what another process has written is read at once', () => {
  const read = () => store.read((transaction) => transaction.get(['count']));
  expect(read()).toBeUndefined();
  const program = COUNT.replace(/^.*process\.(send|disconnect).*$/gm, '');
  const { status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program, path, '1']);
  expect(status).toBe(0);
  expect(read()).toBe(1);
});
