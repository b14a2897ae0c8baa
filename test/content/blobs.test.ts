import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openContentStore } from '../../src/content/open-content-store.js';
import type { Digest, ExactDate } from '../../src/index.js';
import { blobPath, collect, digestOf, readAll, refusal, useContent } from './use-content.js';

const content = useContent();
const NONE = digestOf('none');
const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);

test('a blob is found by its digest', async () => {
  const put = await content.put('hello', { labels: { a: 'b' } });
  expect(put).toEqual({
    digest: digestOf('hello'),
    size: 5,
    labels: { a: 'b' },
    createdAt: expect.any(Date),
    updatedAt: expect.any(Date),
  });
  expect(await content.store.stat(put.digest)).toEqual(put);
  expect(readFileSync(await content.store.path(put.digest), 'utf8')).toBe('hello');
});

test('find gives the information of a blob, or undefined', async () => {
  const put = await content.put('hello');
  expect(await content.store.find(put.digest)).toEqual(put);
  expect(await content.store.find(NONE)).toBeUndefined();
  expect(await refusal(content.store.find('sha256:../../secret'))).toBe('InvalidArgument');
});

test.each([
  ['stat', (digest: Digest) => content.store.stat(digest)],
  ['path', (digest: Digest) => content.store.path(digest)],
  ['read', (digest: Digest) => collect(content.store.read(digest))],
  ['update', (digest: Digest) => content.store.update(digest, { labels: { a: 'b' } })],
  ['verify', (digest: Digest) => content.store.verify(digest)],
  ['delete', (digest: Digest) => content.store.delete(digest)],
] as const)('%s: what is not there is not found, and what is no digest is no path', async (_, call) => {
  expect(await refusal(call(NONE))).toBe('NotFound');
  writeFileSync(join(content.root, 'secret'), 'text');
  expect(await refusal(call('sha256:../../secret'))).toBe('InvalidArgument');
});

describe('reading', () => {
  test.each([
    ['all', {}, '0123456789'],
    ['from an offset', { offset: 7 }, '789'],
    ['a part', { offset: 2, length: 3 }, '234'],
    ['more than there is', { offset: 8, length: 100 }, '89'],
    ['from its end', { offset: 10 }, ''],
    ['nothing', { length: 0 }, ''],
  ])('%s', async (_, options, expected) => {
    const { digest } = await content.put('0123456789');
    expect(await readAll(content.store.read(digest, options))).toBe(expected);
  });

  test.each([
    ['past its end', { offset: 11 }],
    ['before its beginning', { offset: -1 }],
    ['a part of a byte', { offset: 0.5 }],
    ['less than nothing', { length: -1 }],
  ])('not %s', async (_, options) => {
    const { digest } = await content.put('0123456789');
    expect(await refusal(collect(content.store.read(digest, options)))).toBe('InvalidArgument');
  });

  test('in pieces, until the signal asks for the end', async () => {
    const { digest } = await content.put(Buffer.alloc(3 << 20, 'x'));
    const abort = new AbortController();
    const reason = new Error('enough');
    const pieces: number[] = [];
    const reading = (async () => {
      for await (const piece of content.store.read(digest, { signal: abort.signal })) {
        pieces.push(piece.length);
        abort.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    expect(pieces).toHaveLength(1);
  });

  test('goes on when the blob is deleted meanwhile', async () => {
    const bytes = Buffer.alloc(1 << 20, 'x');
    const { digest } = await content.put(bytes);
    let length = 0;
    for await (const piece of content.store.read(digest)) {
      if (length === 0) await content.store.delete(digest);
      length += piece.length;
    }
    expect(length).toBe(bytes.length);
    expect(await refusal(content.store.stat(digest))).toBe('NotFound');
  });
});

describe('walk', () => {
  test('gives all, by the order of their digests', async () => {
    const put = await Promise.all(Array.from({ length: 300 }, (_, number) => content.put(`blob ${number}`)));
    const expected = put.map(({ digest }) => digest).sort();
    expect((await collect(content.store.walk())).map(({ digest }) => digest)).toEqual(expected);
  });

  test.each([
    ['labels.color==red', ['apple']],
    ['labels."a.b/c"', ['pear']],
    ['labels.color!=red', ['melon', 'pear']],
    ['size==4', ['pear']],
    [`digest==${digestOf('melon')}`, ['melon']],
    ['labels.color==red,size==4', []],
  ])('%s', async (filter, expected) => {
    await content.put('apple', { labels: { color: 'red' } });
    await content.put('pear', { labels: { color: 'green', 'a.b/c': 'x' } });
    await content.put('melon');
    const found = await collect(content.store.walk({ filters: [filter] }));
    const names = await Promise.all(found.map(({ digest }) => readAll(content.store.read(digest))));
    expect(names.sort()).toEqual(expected);
  });

  test('a filter that can’t be read is refused', async () => {
    expect(await refusal(collect(content.store.walk({ filters: ['=='] })))).toBe('InvalidArgument');
  });

  test('what is not ours is left alone', async () => {
    writeFileSync(join(content.root, 'blobs/sha256/notes'), 'text');
    mkdirSync(blobPath(content.root, NONE));
    expect(await collect(content.store.walk())).toEqual([]);
    expect(await refusal(content.store.stat(NONE))).toBe('NotFound');
  });
});

/** Since the epoch. */
const nanosecondsOf = (date: ExactDate) =>
  BigInt(Math.floor(date.getTime() / 1000)) * 1_000_000_000n + BigInt(date.nanoseconds);

describe('labels', () => {
  test('are replaced, or changed one by one', async () => {
    const { digest, createdAt } = await content.put('x', { labels: { a: '1', 'b.c': '2' } });
    const one = await content.store.update(digest, { labels: { a: '3' } }, { fieldpaths: ['labels.a'] });
    expect(one.labels).toEqual({ a: '3', 'b.c': '2' });
    const gone = await content.store.update(digest, {}, { fieldpaths: ['labels.b.c'] });
    expect(gone.labels).toEqual({ a: '3' });
    const all = await content.store.update(digest, { labels: { d: '4' } });
    expect(all).toMatchObject({ labels: { d: '4' }, createdAt });
    expect(nanosecondsOf(all.updatedAt)).toBeGreaterThan(nanosecondsOf(gone.updatedAt));
    await content.reopen();
    expect(await content.store.stat(digest)).toEqual(all);
  });

  test('of a record made before times had nanoseconds', async () => {
    const { digest } = await content.put('x');
    const record = { labels: { a: '1' }, createdAt: 1_000_000_000_123, updatedAt: 1_000_000_000_456 };
    await content.metadata.write((transaction) => transaction.put(['blob', digest], record));
    const { createdAt, updatedAt } = await content.store.stat(digest);
    expect(nanosecondsOf(createdAt)).toBe(1_000_000_000_123_000_000n);
    expect(nanosecondsOf(updatedAt)).toBe(1_000_000_000_456_000_000n);
  });

  test.each([
    ['a field that is none of them', { labels: {} }, ['size']],
    ['one that is too long', { labels: { a: 'x'.repeat(5000) } }, []],
  ])('%s is refused', async (_, patch, paths) => {
    const { digest } = await content.put('x', { labels: { a: '1' } });
    expect(await refusal(content.store.update(digest, patch, { fieldpaths: paths }))).toBe('InvalidArgument');
    expect((await content.store.stat(digest)).labels).toEqual({ a: '1' });
  });
});

describe('what is damaged', () => {
  test.each([
    ['whole', () => {}, { state: 'whole' }],
    [
      'changed',
      (path: string) => writeFileSync(path, 'hellO'),
      { state: 'damaged', actual: digestOf('hellO'), size: 5 },
    ],
    [
      'emptied by a power cut',
      (path: string) => writeFileSync(path, ''),
      { state: 'damaged', actual: digestOf(''), size: 0 },
    ],
  ] as const)('verify: %s', async (_, damage, expected) => {
    const { digest } = await content.put('hello');
    const path = await content.store.path(digest);
    chmodSync(path, 0o600);
    damage(path);
    expect(await content.store.verify(digest)).toEqual(expected);
    expect((await content.store.stat(digest)).digest).toBe(digest);
  });

  test('is healed by an ingest of the same', async () => {
    const { digest } = await content.put('hello', { labels: { a: 'b' } });
    writeFileSync(await content.store.path(digest), 'hellO');
    await content.put('hello');
    expect(await content.store.verify(digest)).toEqual({ state: 'whole' });
    expect((await content.store.stat(digest)).labels).toEqual({ a: 'b' });
  });

  test('is no reason not to ingest it, where its size shows', async () => {
    const { digest } = await content.put('hello');
    writeFileSync(await content.store.path(digest), '');
    await using ingest = await content.store.openIngest('again', { digest, size: 5 });
    await ingest.write(Buffer.from('hello'));
    await ingest.commit();
    expect(await content.store.verify(digest)).toEqual({ state: 'whole' });
  });

  test('verify ends when the signal asks for it', async () => {
    const { digest } = await content.put('hello');
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(content.store.verify(digest, { signal })).rejects.toBe(signal.reason);
  });
});

describe('the file says what is there', () => {
  test('a blob without a record is one without labels', async () => {
    const before = await content.put('hello', { labels: { a: 'b' } });
    await content.metadata.write((transaction) => transaction.delete(['blob', before.digest]));
    await content.reopen();
    const found = await content.store.stat(before.digest);
    expect(found).toMatchObject({ digest: before.digest, size: 5, labels: {} });
    expect(Math.abs(found.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
    expect(await collect(content.store.walk())).toEqual([found]);
    expect(await refusal(content.store.openIngest('ref', { digest: before.digest }))).toBe('AlreadyExists');
    expect((await content.store.update(before.digest, { labels: { c: 'd' } })).labels).toEqual({ c: 'd' });
  });

  test('a record without a file says nothing', async () => {
    const { digest } = await content.put('hello', { labels: { a: 'b' } });
    const record = content.metadata.read((transaction) => transaction.get(['blob', digest]))!;
    await content.store.delete(digest);
    await content.metadata.write((transaction) => transaction.put(['blob', digest], record));
    await content.reopen();
    expect(await refusal(content.store.stat(digest))).toBe('NotFound');
    expect(await collect(content.store.walk())).toEqual([]);
    expect((await content.put('hello', { labels: { c: 'd' } })).labels).toEqual({ c: 'd' });
  });

  test('a record that is damaged is told, and deleted with its blob', async () => {
    const { digest } = await content.put('hello');
    await content.metadata.write((transaction) => transaction.put(['blob', digest], { labels: 7 }));
    expect(await refusal(content.store.stat(digest))).toBe('DataLoss');
    await content.store.delete(digest);
    expect((await content.put('hello')).labels).toEqual({});
  });
});

describe('permissions', () => {
  test('nobody else looks into it, and nobody writes to a blob', async () => {
    const { digest } = await content.put('hello');
    const directories = ['', 'blobs', 'blobs/sha256', 'ingest'];
    expect(directories.map((name) => mode(join(content.root, name)))).toEqual(['700', '700', '700', '700']);
    expect(mode(blobPath(content.root, digest))).toBe('444');
  });

  test('a root that is open to others is closed', async () => {
    chmodSync(content.root, 0o755);
    await openContentStore({ root: content.root, metadata: content.metadata });
    expect(mode(content.root)).toBe('700');
  });

  test('a root that is a file is refused', async () => {
    const root = join(content.root, 'file');
    writeFileSync(root, '');
    const { metadata } = content;
    expect(await refusal(openContentStore({ root, metadata }))).toBe('FailedPrecondition');
  });
});
