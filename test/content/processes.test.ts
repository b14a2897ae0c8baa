import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openContentStore } from '../../src/content/open-content-store.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { RUNS, TIMEOUT } from '../crash/runs.js';
import { buildProgram } from '../helpers/build-program.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { committed, lookThroughBlobs, lookThroughIngests } from './look-through.js';
import type { Work } from './programs/ingest.js';
import { collect, digestOf, refusal, useContent } from './use-content.js';

const content = useContent();
const directory = makeWorkDirectory();
let program: string;
beforeAll(async () => {
  program = await buildProgram(new URL('programs/ingest.ts', import.meta.url), directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

const KILLS = 6 * RUNS;

function start(work: Work): ChildProcess {
  const child = spawn(process.execPath, [program, JSON.stringify(work)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  const [, signal] = await exit;
  expect(signal, 'the process at work has failed by itself').toBe('SIGKILL');
}

test(
  `killed ${KILLS} times: every blob is whole, what was told is there, ingests go on`,
  async () => {
    const journal = join(directory, 'journal');
    writeFileSync(journal, '');
    const place = join(content.root, '..');
    let resumed = 0;
    for (let run = 0; run < KILLS; run++) {
      const child = start({ directory: place, journal, seed: 1 });
      await once(child, 'message');
      for (let told = 0; told <= run % 4; told++) await once(child, 'message');
      await wait(Math.random() * 20);
      await kill(child);
      await content.reopen();
      expect(await lookThroughBlobs(content.store, committed(readFileSync(journal, 'utf8')))).toEqual([]);
      expect(await lookThroughIngests(content.store)).toEqual([]);
      resumed += (await content.store.ingests()).filter(({ offset }) => offset > 0).length;
    }
    expect(resumed).toBeGreaterThan(0);
  },
  TIMEOUT,
);

test('two processes at work on the same refs', async () => {
  const journals = [1, 2].map((number) => join(directory, `journal${number}`));
  for (const journal of journals) writeFileSync(journal, '');
  const place = join(content.root, '..');
  const children = journals.map((journal) => start({ directory: place, journal, seed: 2 }));
  let told = 0;
  await Promise.all(
    children.map(async (child) => {
      for (; told < 200; told++) await once(child, 'message');
    }),
  );
  // Each of them has failed by itself, if anything but a lock was in its way.
  await Promise.all(children.map(kill));
  await content.reopen();
  expect(await lookThroughBlobs(content.store, [])).toEqual([]);
  expect(await lookThroughIngests(content.store)).toEqual([]);
});

/** What a process has that is run by itself: the store in its first argument. */
const OPEN = `
const load = (path) => import(${JSON.stringify(new URL('../../dist/', import.meta.url).href)} + path);
const { openLmdbStore } = await load('metadata/lmdb-store.js');
const { openContentStore } = await load('content/open-content-store.js');
const [directory] = process.argv.slice(1);
const metadata = openLmdbStore(directory + '/metadata.db');
const content = await openContentStore({ root: directory + '/content', metadata });
`;

/** Holds the ingest `ref`, with half of its bytes. */
const HOLD = `${OPEN}
const ingest = await content.openIngest('ref');
await ingest.write(Buffer.from('hel'));
process.send('written');
await new Promise((resolve) => process.once('message', resolve));
await ingest.write(Buffer.from('lo'));
await ingest.commit();
await metadata.close();
process.disconnect();
`;

/** At a word makes the blobs that it is told; says when it has the first, and when it has all. */
const PUT = `${OPEN}
async function put(text) {
  const ingest = await content.openIngest(text);
  await ingest.write(Buffer.from(text));
  await ingest.commit();
}
process.on('message', async ([first, ...others]) => {
  await put(first);
  process.send('first');
  await Promise.all(others.map(put));
  process.send('all');
});
process.send('ready');
`;

function run(code: string): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code, join(content.root, '..')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test('an ingest that another process has is not available, nor swept; then its blob is there', async () => {
  const child = run(HOLD);
  await once(child, 'message');
  expect(await refusal(content.store.openIngest('ref'))).toBe('Unavailable');
  expect(await refusal(content.store.abort('ref'))).toBe('Unavailable');
  const { ingests } = await content.store.sweep(async () => () => true, { ingestsIdleMs: 0 });
  expect(ingests).toEqual([]);
  child.send('go on');
  expect(await once(child, 'exit')).toEqual([0, null]);
  const digest = digestOf('hello');
  expect((await content.store.stat(digest)).size).toBe(5);
  expect(await refusal(content.store.openIngest('ref', { digest }))).toBe('AlreadyExists');
});

test('a lock ends with its process, and the ingest goes on', async () => {
  const child = run(HOLD);
  await once(child, 'message');
  await kill(child);
  await using ingest = await content.store.openIngest('ref');
  expect(ingest.offset).toBe(3);
  await ingest.write(Buffer.from('lo'));
  expect((await ingest.commit()).digest).toBe(digestOf('hello'));
});

test('a sweep takes nothing that another process commits meanwhile', async () => {
  const child = run(PUT);
  await once(child, 'message');
  for (let sweep = 0; sweep < 10; sweep++) {
    const texts = Array.from({ length: 20 }, (_, number) => `blob ${sweep} ${number}`);
    let all: Promise<unknown> | undefined;
    await content.store.sweep(async () => {
      child.send(texts);
      await once(child, 'message');
      all = once(child, 'message');
      return () => false;
    });
    await all;
    const left = (await collect(content.store.walk())).map(({ digest }) => digest);
    expect(left).toEqual(texts.map(digestOf).sort());
  }
});

test('a store that is opened by another while it is worked on', async () => {
  const metadata = openLmdbStore(join(content.root, '../metadata.db'));
  const other = await openContentStore({ root: content.root, metadata });
  const { digest } = await content.put('hello', { labels: { a: 'b' } });
  expect((await other.stat(digest)).labels).toEqual({ a: 'b' });
  await other.delete(digest);
  expect(await refusal(content.store.stat(digest))).toBe('NotFound');
  await metadata.close();
});
