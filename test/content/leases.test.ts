import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { LeaseResource } from '../../src/content/leases.js';
import { digestOf, refusal, useContent } from './use-content.js';

const content = useContent();
afterEach(() => void vi.useRealTimers());
const EXPIRE = 'containerd.io/gc.expire';
const HELLO: LeaseResource = { type: 'content', id: digestOf('hello') };
const past = () => new Date(Date.now() - 1000);
const future = () => new Date(Date.now() + 60_000);
const ids = async (filters?: readonly string[]) =>
  (await content.store.leases.list({ filters })).map(({ id }) => id);

test('a lease is made, found, and deleted', async () => {
  const { leases } = content.store;
  const made = await leases.create({ id: 'mine', labels: { a: 'b' } });
  expect(made).toEqual({
    id: 'mine',
    labels: { a: 'b' },
    createdAt: expect.any(Date),
    expiresAt: undefined,
    process: undefined,
  });
  await content.reopen();
  expect(await content.store.leases.list()).toEqual([made]);
  await content.store.leases.delete('mine');
  expect(await ids()).toEqual([]);
});

test('find gives a lease, or undefined where there is none or it has ended', async () => {
  const { leases } = content.store;
  const made = await leases.create({ id: 'mine' });
  await leases.create({ id: 'ended', expiresAt: new Date(0) });
  expect(await leases.find('mine')).toEqual(made);
  expect(await leases.find('ended')).toBeUndefined();
  expect(await leases.find('other')).toBeUndefined();
});

test('one without an id gets one of its own', async () => {
  const { leases } = content.store;
  const made = await Promise.all([leases.create(), leases.create()]);
  expect(new Set(made.map(({ id }) => id)).size).toBe(2);
});

test('it holds what it was told to, each once', async () => {
  const { leases } = content.store;
  await leases.create({ id: 'a' });
  await leases.create({ id: 'b' });
  const resources: LeaseResource[] = [
    HELLO,
    { type: 'image', id: 'docker.io/library/debian:12' },
    { type: 'ingest', id: 'layer-1' },
    { type: 'snapshot', id: 'sha256:chain' },
  ];
  for (const resource of [...resources, HELLO]) await leases.add('a', resource);
  expect(await leases.resources('a')).toEqual(resources);
  expect(await leases.resources('b')).toEqual([]);
  await leases.remove('a', HELLO);
  await leases.remove('a', HELLO);
  expect(await leases.resources('a')).toEqual(resources.slice(1));
});

test.each([
  ['labels.kind==pull', ['a']],
  ['id==b', ['b']],
  ['id~=^[ab]$', ['a', 'b']],
  [`labels."${EXPIRE}"`, ['b']],
])('list: %s', async (filter, expected) => {
  const { leases } = content.store;
  await leases.create({ id: 'a', labels: { kind: 'pull' } });
  await leases.create({ id: 'b', expiresAt: future() });
  await leases.create({ id: 'c', labels: { kind: 'build' } });
  expect(await ids([filter])).toEqual(expected);
});

test('the time at which it expires is its label', async () => {
  const { leases } = content.store;
  const at = future();
  const first = await leases.create({ id: 'a', expiresAt: at });
  expect(first).toMatchObject({ expiresAt: at, labels: { [EXPIRE]: at.toISOString() } });
  const second = await leases.create({ id: 'b', labels: { [EXPIRE]: '2126-01-31T12:00:00+02:00' } });
  expect(second.expiresAt?.toISOString()).toBe('2126-01-31T10:00:00.000Z');
});

test('one that has expired counts as none', async () => {
  const { leases } = content.store;
  await leases.create({ id: 'a', expiresAt: past() });
  expect(await ids()).toEqual([]);
  expect(await refusal(leases.add('a', HELLO))).toBe('NotFound');
  expect(await refusal(leases.resources('a'))).toBe('NotFound');
  expect(await refusal(leases.delete('a'))).toBe('NotFound');
});

test('its id is free once it has expired, and the next one holds nothing of it', async () => {
  const { leases } = content.store;
  await leases.create({ id: 'a', expiresAt: future() });
  await leases.add('a', HELLO);
  expect(await refusal(leases.create({ id: 'a' }))).toBe('AlreadyExists');
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
  expect(await ids()).toEqual([]);
  await leases.create({ id: 'a' });
  expect(await leases.resources('a')).toEqual([]);
});

test.each([
  ['no id', { id: '' }],
  ['a long id', { id: 'x'.repeat(300) }],
  ['a time that is none', { labels: { [EXPIRE]: 'tomorrow' } }],
  ['a date without a time', { labels: { [EXPIRE]: '2026-01-31' } }],
  ['an invalid date', { expiresAt: new Date(Number.NaN) }],
  ['a label without a name', { labels: { '': 'x' } }],
])('%s is refused', async (_, options) => {
  expect(await refusal(content.store.leases.create(options))).toBe('InvalidArgument');
  expect(await ids()).toEqual([]);
});

test.each([
  ['content that is no digest', { type: 'content', id: 'hello' }],
  ['an image without a name', { type: 'image', id: '' }],
  ['what nobody knows', { type: 'container', id: 'x' }],
])('%s can’t be held', async (_, resource) => {
  await content.store.leases.create({ id: 'a' });
  expect(await refusal(content.store.leases.add('a', resource as LeaseResource))).toBe('InvalidArgument');
});

test('what there is no lease for', async () => {
  const { leases } = content.store;
  for (const call of [
    () => leases.delete('none'),
    () => leases.add('none', HELLO),
    () => leases.remove('none', HELLO),
    () => leases.resources('none'),
  ])
    expect(await refusal(call())).toBe('NotFound');
});

test('who holds an ingest holds the blob that it becomes', async () => {
  const { leases } = content.store;
  for (const id of ['a', 'b', 'c']) await leases.create({ id });
  for (const id of ['a', 'b']) await leases.add(id, { type: 'ingest', id: 'ref' });
  await using ingest = await content.store.openIngest('ref');
  await ingest.write(Buffer.from('hello'));
  await ingest.commit();
  const held = await Promise.all(['a', 'b', 'c'].map((id) => leases.resources(id)));
  expect(held).toEqual([[HELLO], [HELLO], []]);
});

describe('a lease that is tied to a process', () => {
  const HOLDER = `
const { openContentStore } = await import(${JSON.stringify(new URL('../../dist/content/open-content-store.js', import.meta.url).href)});
const { openLmdbStore } = await import(${JSON.stringify(new URL('../../dist/metadata/lmdb-store.js', import.meta.url).href)});
const [root, metadata] = process.argv.slice(1);
const store = await openContentStore({ root, metadata: openLmdbStore(metadata) });
await store.leases.create({ id: 'theirs', tiedToProcess: true });
await store.leases.add('theirs', { type: 'content', id: '${digestOf('hello')}' });
process.send('held');
setInterval(() => {}, 1000);
`;

  async function hold(): Promise<ChildProcess> {
    const child = spawn(
      process.execPath,
      ['--input-type=module', '--eval', HOLDER, content.root, join(content.root, '../metadata.db')],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'message');
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  test('lasts as long as the process', async () => {
    await content.put('hello');
    const child = await hold();
    expect(await content.store.leases.list()).toMatchObject([{ id: 'theirs', process: child.pid }]);
    expect((await content.store.sweep(async () => () => false)).blobs).toEqual([]);
    await kill(child);
    expect(await content.store.leases.list()).toEqual([]);
    expect(await refusal(content.store.leases.add('theirs', HELLO))).toBe('NotFound');
    expect((await content.store.sweep(async () => () => false)).blobs).toEqual([HELLO.id]);
    expect(readdirSync(join(content.root, 'leases'))).toEqual([]);
  });

  test('counts to the end of a sweep in which its process ends: that may have recorded an image', async () => {
    await content.put('hello');
    const child = await hold();
    const { blobs } = await content.store.sweep(async () => {
      await kill(child);
      return () => false;
    });
    expect(blobs).toEqual([]);
  });

  test('can’t be made twice while its process runs, and can afterwards', async () => {
    const child = await hold();
    const again = () => content.store.leases.create({ id: 'theirs', tiedToProcess: true });
    expect(await refusal(again())).toBe('AlreadyExists');
    await kill(child);
    expect(await again()).toMatchObject({ id: 'theirs', process: process.pid });
    expect(await content.store.leases.resources('theirs')).toEqual([]);
  });

  test('can be deleted by another process', async () => {
    const child = await hold();
    await content.store.leases.delete('theirs');
    expect(await ids()).toEqual([]);
    expect(child.exitCode).toBeNull();
  });
});
