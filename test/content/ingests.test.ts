import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openContentStore } from '../../src/content/open-content-store.js';
import { OverlayerError } from '../../src/index.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { collect, digestOf, ingestPath, readAll, refusal, useContent } from './use-content.js';

const content = useContent();
const HELLO = digestOf('hello');
const bytes = (text: string) => Buffer.from(text);

test('bytes that are written become a blob, and the ingest goes', async () => {
  const ingest = await content.store.openIngest('ref');
  await ingest.write(bytes('hel'));
  await ingest.write(bytes('lo'));
  expect([ingest.offset, readFileSync(ingest.path, 'utf8')]).toEqual([5, 'hello']);
  expect((await ingest.commit({ digest: HELLO, size: 5 })).digest).toBe(HELLO);
  expect(await content.store.ingests()).toEqual([]);
  expect(readdirSync(join(content.root, 'ingest'))).toEqual([]);
});

test('an ingest of nothing is the blob of no bytes', async () => {
  await using ingest = await content.store.openIngest('ref', { size: 0 });
  expect(await ingest.commit()).toMatchObject({ digest: digestOf(''), size: 0 });
});

test('what is not there can be seen by nobody before the commit', async () => {
  await using ingest = await content.store.openIngest('ref', { digest: HELLO });
  await ingest.write(bytes('hello'));
  expect(await refusal(content.store.stat(HELLO))).toBe('NotFound');
  expect(await collect(content.store.walk())).toEqual([]);
});

test('an ingest is found by its ref, also while it is written to', async () => {
  expect(await refusal(content.store.ingest('ref'))).toBe('NotFound');
  await using ingest = await content.store.openIngest('ref', { size: 5 });
  await ingest.write(bytes('hel'));
  expect(await content.store.ingest('ref')).toMatchObject({ ref: 'ref', offset: 3, size: 5 });
  expect(await content.store.ingests()).toEqual([await content.store.ingest('ref')]);
});

test('calls take their turns, whoever waits for them', async () => {
  const ingest = await content.store.openIngest('ref');
  const pieces = Array.from({ length: 200 }, (_, number) => `${number},`);
  for (const piece of pieces) void ingest.write(bytes(piece));
  const { digest } = await ingest.commit();
  expect(await readAll(content.store.read(digest))).toBe(pieces.join(''));
});

test('a chunk may be large', async () => {
  const chunk = Buffer.alloc(40 << 20, 'x');
  expect((await content.put(chunk)).digest).toBe(digestOf(chunk));
});

describe('going on', () => {
  test('where it ended', async () => {
    const first = await content.store.openIngest('ref', { size: 5 });
    await first.write(bytes('hel'));
    await first.close();
    await content.reopen();
    await using second = await content.store.openIngest('ref', { size: 5 });
    expect(second.offset).toBe(3);
    await second.write(bytes('lo'));
    expect((await second.commit()).digest).toBe(HELLO);
  });

  test('from its beginning, or somewhere before its end', async () => {
    await using ingest = await content.store.openIngest('ref');
    await ingest.write(bytes('wrong'));
    await ingest.truncate();
    await ingest.write(bytes('help'));
    await ingest.truncate(3);
    expect(await refusal(ingest.truncate(4))).toBe('InvalidArgument');
    await ingest.write(bytes('lo'));
    expect((await ingest.commit()).digest).toBe(HELLO);
  });

  test('with the size that it was begun with, and no other', async () => {
    await (await content.store.openIngest('ref')).close();
    await (await content.store.openIngest('ref', { size: 5 })).close();
    expect(await refusal(content.store.openIngest('ref', { size: 6 }))).toBe('FailedPrecondition');
    await using ingest = await content.store.openIngest('ref');
    expect(await refusal(ingest.write(bytes('hello!')))).toBe('ResourceExhausted');
    expect(ingest.offset).toBe(0);
  });

  test('not where it has more bytes than the blob', async () => {
    const ingest = await content.store.openIngest('ref');
    await ingest.write(bytes('hello'));
    await ingest.close();
    expect(await refusal(content.store.openIngest('ref', { size: 4 }))).toBe('FailedPrecondition');
    expect((await content.store.ingests())[0]).toMatchObject({ offset: 5, size: undefined });
  });

  test('a directory that a crash has left without a ref is as good as new', async () => {
    mkdirSync(ingestPath(content.root, 'ref'));
    writeFileSync(join(ingestPath(content.root, 'ref'), 'ref'), 're');
    expect(await content.store.ingests()).toEqual([]);
    await using ingest = await content.store.openIngest('ref', { size: 5 });
    expect(await content.store.ingests()).toMatchObject([{ ref: 'ref', offset: 0, size: 5 }]);
    await ingest.write(bytes('hello'));
    await ingest.commit();
  });
});

describe('without root', () => {
  const namespace = useNamespace('none');

  test('an ingest goes on that a crash left with the mode of a blob', async () => {
    const work = namespace.directory();
    const offset = await namespace.inside.run(async ({ load, path, fs, child }, work) => {
      const { openLmdbStore } =
        await load<typeof import('../../src/metadata/lmdb-store.js')>('metadata/lmdb-store.js');
      const { openContentStore } = await load<typeof import('../../src/content/open-content-store.js')>(
        'content/open-content-store.js',
      );
      const metadata = openLmdbStore(path.join(work, 'metadata.db'));
      const content = await openContentStore({ root: path.join(work, 'content'), metadata });
      const first = await content.openIngest('ref');
      await first.write(new TextEncoder().encode('hel'));
      await first.close();
      fs.chmodSync(first.path, 0o444);
      if (child.spawnSync('id', ['-u']).stdout.toString().trim() === '0') throw new Error('this is root');
      const second = await content.openIngest('ref');
      await second.write(new TextEncoder().encode('lo'));
      await second.commit();
      await metadata.close();
      return second.offset;
    }, work);
    expect(offset).toBe(5);
  });
});

describe('the list', () => {
  test('tells how far they are', async () => {
    const before = Date.now() - 1000;
    await using b = await content.store.openIngest('b', { size: 5 });
    await b.write(bytes('hel'));
    await (await content.store.openIngest('a')).close();
    const [first, second, ...others] = await content.store.ingests();
    expect([first, second, others]).toMatchObject([
      { ref: 'a', offset: 0, size: undefined },
      { ref: 'b', offset: 3, size: 5 },
      [],
    ]);
    expect(second!.startedAt.getTime()).toBeGreaterThan(before);
    expect(second!.updatedAt.getTime()).toBeGreaterThanOrEqual(second!.startedAt.getTime());
  });

  test.each([
    ['empty', ''],
    ['not Unicode', '\ud800'],
    ['with a line in it', 'a\nb'],
    ['too long', 'x'.repeat(2000)],
  ])('a ref that is %s is refused', async (_, ref) => {
    expect(await refusal(content.store.openIngest(ref))).toBe('InvalidArgument');
    expect(await refusal(content.store.abort(ref))).toBe('InvalidArgument');
  });

  test('a ref is a name, and no path', async () => {
    await (await content.store.openIngest('../../escape')).close();
    expect((await content.store.ingests()).map(({ ref }) => ref)).toEqual(['../../escape']);
    expect(readdirSync(join(content.root, 'ingest'))[0]).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('one writer', () => {
  test('at a time, of each ref', async () => {
    await using first = await content.store.openIngest('ref');
    expect(await refusal(content.store.openIngest('ref'))).toBe('Unavailable');
    expect(await refusal(content.store.abort('ref'))).toBe('Unavailable');
    await (await content.store.openIngest('another')).close();
    await first.close();
    await first.close();
    await (await content.store.openIngest('ref')).close();
  });

  test('that is closed writes no more', async () => {
    const ingest = await content.store.openIngest('ref');
    await ingest.close();
    for (const call of [() => ingest.write(bytes('x')), () => ingest.truncate(), () => ingest.commit()])
      expect(await refusal(call())).toBe('FailedPrecondition');
  });

  test('that is refused does not keep the lock', async () => {
    await (await content.store.openIngest('ref', { size: 5 })).close();
    expect(await refusal(content.store.openIngest('ref', { size: 6 }))).toBe('FailedPrecondition');
    await (await content.store.openIngest('ref')).close();
  });
});

test('abort takes it away', async () => {
  const ingest = await content.store.openIngest('ref');
  await ingest.write(bytes('hello'));
  await ingest.close();
  await content.store.abort('ref');
  expect(existsSync(ingest.path)).toBe(false);
  expect(await content.store.ingests()).toEqual([]);
  expect(await refusal(content.store.abort('ref'))).toBe('NotFound');
});

describe('commit', () => {
  test.each([
    ['another digest', { digest: digestOf('other') }, {}],
    ['another digest than it was opened for', {}, { digest: digestOf('other') }],
    ['another digest, by one who has hashed it', { digest: digestOf('other'), hashed: HELLO }, {}],
    ['another size', { size: 4 }, {}],
    ['another size than it was opened for', {}, { size: 6 }],
  ])('%s is refused, and the ingest is as it was', async (_, commit, open) => {
    await using ingest = await content.store.openIngest('ref', open);
    await ingest.write(bytes('hello'));
    const error: unknown = await ingest.commit(commit).catch((reason: unknown) => reason);
    expect(OverlayerError.is(error) && [error.code, typeof error.expected, typeof error.actual]).toEqual([
      'FailedPrecondition',
      'string',
      'string',
    ]);
    expect(await collect(content.store.walk())).toEqual([]);
    await ingest.commit({ digest: HELLO, size: 5 });
    expect(await readAll(content.store.read(HELLO))).toBe('hello');
  });

  test.each([
    ['a digest', { digest: 'sha256:../x' as const }],
    ['a digest of the bytes', { hashed: 'sha256:../x' as const }],
    ['labels', { labels: { '': 'x' } }],
  ])('%s that can’t be is refused', async (_, options) => {
    await using ingest = await content.store.openIngest('ref');
    expect(await refusal(ingest.commit(options))).toBe('InvalidArgument');
  });

  test('does not read what the caller has hashed', async () => {
    await using ingest = await content.store.openIngest('ref');
    await ingest.write(bytes('hello'));
    const claimed = digestOf('not what it is');
    expect((await ingest.commit({ hashed: claimed })).digest).toBe(claimed);
  });

  test('ends when the signal asks for it, and can be called again', async () => {
    await using ingest = await content.store.openIngest('ref');
    await ingest.write(bytes('hello'));
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(ingest.commit({ signal })).rejects.toBe(signal.reason);
    expect((await ingest.commit()).digest).toBe(HELLO);
  });

  test('of a blob that is there: one blob, with the labels of both', async () => {
    const first = await content.put('hello', { labels: { a: '1', b: '2' } });
    await using ingest = await content.store.openIngest('other ref');
    await ingest.write(bytes('hello'));
    const second = await ingest.commit({ labels: { b: '3', c: '4' } });
    expect(second).toMatchObject({ labels: { a: '1', b: '3', c: '4' }, createdAt: first.createdAt });
    expect(await content.store.ingests()).toEqual([]);
  });

  test('of the same blob by several at once', async () => {
    const ingests = await Promise.all(
      [1, 2, 3, 4].map((number) => content.store.openIngest(`ref ${number}`)),
    );
    const put = ingests.map(async (ingest, number) => {
      await ingest.write(bytes('hello'));
      return await ingest.commit({ labels: { [`label${number}`]: 'x' } });
    });
    expect((await Promise.all(put)).map(({ digest }) => digest)).toEqual([HELLO, HELLO, HELLO, HELLO]);
    expect(Object.keys((await content.store.stat(HELLO)).labels).sort()).toEqual([
      'label0',
      'label1',
      'label2',
      'label3',
    ]);
    expect(await content.store.ingests()).toEqual([]);
  });

  test('of a hundred at once', async () => {
    const texts = Array.from({ length: 100 }, (_, number) => `blob ${number} `.repeat(1000));
    const put = await Promise.all(texts.map((text) => content.put(text)));
    expect(put.map(({ digest }) => digest)).toEqual(texts.map(digestOf));
    expect(await collect(content.store.walk())).toHaveLength(100);
    expect(await content.store.ingests()).toEqual([]);
  });

  test('while the blob is deleted: one after the other', async () => {
    for (let round = 0; round < 20; round++) {
      await content.put('hello', { labels: { a: 'b' } });
      const [put] = await Promise.all([
        content.put('hello', { labels: { c: 'd' } }),
        content.store.delete(HELLO),
      ]);
      expect(put.digest).toBe(HELLO);
      const after = await content.store.stat(HELLO).catch(() => undefined);
      // Deleted first, it has the labels of the commit alone; deleted last, it is gone.
      expect([undefined, { c: 'd' }]).toContainEqual(after?.labels);
    }
  });
});

describe('the blob that is expected', () => {
  test('is there already: nothing is to be ingested', async () => {
    await content.put('hello');
    expect(await refusal(content.store.openIngest('ref', { digest: HELLO, size: 5 }))).toBe('AlreadyExists');
    expect(await content.store.ingests()).toEqual([]);
  });

  test('is there already: who does not say what is expected can still ingest it', async () => {
    const half = await content.store.openIngest('ref');
    await half.write(bytes('hel'));
    await half.close();
    await content.put('hello');
    expect(await refusal(content.store.openIngest('ref', { digest: HELLO }))).toBe('AlreadyExists');
    await using ingest = await content.store.openIngest('ref');
    expect(ingest.offset).toBe(3);
  });
});

describe('what the kernel refuses', () => {
  test.each([
    ['makeDirectory', 'ENOSPC', 'ResourceExhausted'],
    ['openAt', 'EMFILE', 'ResourceExhausted'],
    ['tryLock', 'EIO', 'DataLoss'],
  ] as const)('%s, %s: the ingest can be opened later', async (method, errno, code) => {
    const real = openLinuxSystem();
    const { root, metadata } = content;
    const counting = new FaultySystem(real);
    await openContentStore({ root, metadata, system: counting.system });
    const call = (counting.calls.get(method) ?? 0) + 1;
    const { system } = new FaultySystem(real, { method, call, errno });
    const store = await openContentStore({ root, metadata, system });
    expect(await refusal(store.openIngest('ref'))).toBe(code);
    await (await store.openIngest('ref')).close();
  });

  test('a blob that can’t get its name is not there, and its bytes still are', async () => {
    const { root, metadata } = content;
    const { system } = new FaultySystem(openLinuxSystem(), { method: 'rename', call: 1, errno: 'ENOSPC' });
    const store = await openContentStore({ root, metadata, system });
    const ingest = await store.openIngest('ref');
    await ingest.write(bytes('hello'));
    expect(await refusal(ingest.commit({ labels: { a: 'b' } }))).toBe('ResourceExhausted');
    expect(await refusal(store.stat(HELLO))).toBe('NotFound');
    await using again = await store.openIngest('ref');
    expect(again.offset).toBe(5);
    expect(await again.commit()).toMatchObject({ digest: HELLO, labels: {} });
  });

  test('metadata that are closed: the writer is closed too', async () => {
    const ingest = await content.store.openIngest('ref');
    await ingest.write(bytes('hello'));
    await content.metadata.close();
    expect(await refusal(ingest.commit())).toBe('FailedPrecondition');
    expect(await refusal(ingest.write(bytes('x')))).toBe('FailedPrecondition');
    await content.reopen();
    await using again = await content.store.openIngest('ref');
    expect((await again.commit()).digest).toBe(HELLO);
  });
});

test('a blob that takes the place of another has the mode of one', async () => {
  const { digest } = await content.put('hello');
  const path = await content.store.path(digest);
  chmodSync(path, 0o600);
  await content.put('hello');
  expect((statSync(path).mode & 0o777).toString(8)).toBe('444');
});

test('the event loop is not held up by much', async () => {
  const ingest = await content.store.openIngest('ref');
  const chunk = Buffer.alloc(4 << 20, 'x');
  let turns = 0;
  const turn = () => {
    turns++;
    timer = setImmediate(turn);
  };
  let timer = setImmediate(turn);
  for (let count = 0; count < 16; count++) await ingest.write(chunk);
  await ingest.commit();
  clearImmediate(timer);
  // A piece of a MiB at a time: 64 to read and hash, besides the 16 writes.
  expect(turns).toBeGreaterThan(64);
});
