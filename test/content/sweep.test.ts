import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Digest } from '../../src/index.js';
import { collect, digestOf, ingestPath, refusal, useContent } from './use-content.js';

const content = useContent();
afterEach(() => void vi.useRealTimers());
const HELLO = digestOf('hello');
const none = async () => () => false;
const past = () => new Date(Date.now() - 1000);
const future = () => new Date(Date.now() + 60_000);
const names = async () => (await collect(content.store.walk())).map(({ digest }) => digest);
const hold = (lease: string, digest: Digest) =>
  content.store.leases.add(lease, { type: 'content', id: digest });

/** Its time has come: later than any lease here lasts. */
function letExpire(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
}

test('what is marked stays, and the rest goes', async () => {
  const texts = Array.from({ length: 200 }, (_, number) => `blob ${number}`);
  await Promise.all(texts.map((text) => content.put(text)));
  const marked = new Set(texts.filter((_, number) => number % 3 === 0).map(digestOf));
  const { blobs, bytes } = await content.store.sweep(async () => (digest) => marked.has(digest));
  const gone = texts.filter((text) => !marked.has(digestOf(text)));
  expect([...blobs].sort()).toEqual(gone.map(digestOf).sort());
  expect(bytes).toBe(gone.join('').length);
  expect(await names()).toEqual([...marked].sort());
});

test('a blob without a record goes too, and so does a record without a blob', async () => {
  await content.put('hello');
  await content.metadata.write((transaction) => {
    transaction.delete(['blob', HELLO]);
    transaction.put(['blob', digestOf('gone')], { labels: { a: 'b' }, createdAt: 1, updatedAt: 1 });
  });
  expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
  const left = content.metadata.read((transaction) => [
    ...transaction.entries(['blob']),
    ...transaction.entries(['content use']),
  ]);
  expect(left).toEqual([]);
});

describe('a lease', () => {
  test('keeps a blob until it is deleted', async () => {
    await content.put('hello');
    await content.store.leases.create({ id: 'a' });
    await hold('a', HELLO);
    expect((await content.store.sweep(none)).blobs).toEqual([]);
    await content.store.leases.delete('a');
    expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
  });

  test('keeps it no longer than it lasts, and goes then', async () => {
    await content.put('hello');
    await content.store.leases.create({ id: 'a', expiresAt: future() });
    await hold('a', HELLO);
    expect((await content.store.sweep(none)).blobs).toEqual([]);
    letExpire();
    expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
    expect(content.metadata.read((transaction) => transaction.get(['lease', 'a']))).toBeUndefined();
  });

  test('may be there before the blob', async () => {
    await content.store.leases.create({ id: 'a' });
    await hold('a', HELLO);
    await content.put('hello');
    expect((await content.store.sweep(none)).blobs).toEqual([]);
  });

  test('is shown to who marks: it may refer to more', async () => {
    await content.store.leases.create({ id: 'a' });
    await content.store.leases.create({ id: 'b', expiresAt: past() });
    await hold('a', HELLO);
    await content.store.leases.add('a', { type: 'snapshot', id: 'chain' });
    await content.store.sweep(async (held) => {
      expect(held).toEqual([
        { type: 'content', id: HELLO },
        { type: 'snapshot', id: 'chain' },
      ]);
      return () => false;
    });
  });
});

describe('while others are at work, what is in use never goes:', () => {
  const sweepWhile = (work: () => Promise<unknown>) =>
    content.store.sweep(async () => {
      await work();
      return () => false;
    });

  test('a blob that is committed', async () => {
    expect((await sweepWhile(() => content.put('hello'))).blobs).toEqual([]);
    expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
  });

  test('a blob that was there and is committed again', async () => {
    await content.put('hello');
    expect((await sweepWhile(() => content.put('hello'))).blobs).toEqual([]);
  });

  test('a blob that gets labels', async () => {
    await content.put('hello');
    const update = () => content.store.update(HELLO, { labels: { a: 'b' } });
    expect((await sweepWhile(update)).blobs).toEqual([]);
  });

  test('a blob that a lease begins to hold', async () => {
    await content.put('hello');
    await content.store.leases.create({ id: 'a' });
    expect((await sweepWhile(() => hold('a', HELLO))).blobs).toEqual([]);
  });

  test('a blob that a lease held, and that something may refer to now', async () => {
    await content.put('hello');
    const result = await sweepWhile(async () => {
      await content.store.leases.create({ id: 'a' });
      await hold('a', HELLO);
      // Here an image would be recorded.
      await content.store.leases.delete('a');
    });
    expect(result.blobs).toEqual([]);
    expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
  });

  test('a blob without a record that a lease held', async () => {
    await content.put('hello');
    await content.metadata.write((transaction) => transaction.delete(['blob', HELLO]));
    const result = await sweepWhile(async () => {
      await content.store.leases.create({ id: 'a' });
      await hold('a', HELLO);
      await content.store.leases.remove('a', { type: 'content', id: HELLO });
    });
    expect(result.blobs).toEqual([]);
  });

  test('a blob whose lease expires meanwhile', async () => {
    await content.put('hello');
    await content.store.leases.create({ id: 'a', expiresAt: future() });
    await hold('a', HELLO);
    expect((await sweepWhile(async () => letExpire())).blobs).toEqual([]);
    expect((await content.store.sweep(none)).blobs).toEqual([HELLO]);
  });

  test('a blob whose lease expires meanwhile, and is taken away by another', async () => {
    await content.put('hello');
    await content.store.leases.create({ id: 'a', expiresAt: future() });
    await hold('a', HELLO);
    const result = await sweepWhile(async () => {
      letExpire();
      const other = await content.store.sweep(async () => () => true);
      expect(other.blobs).toEqual([]);
    });
    expect(result.blobs).toEqual([]);
  });

  test('whoever commits and sweeps at once loses nothing that has a lease', async () => {
    await content.store.leases.create({ id: 'a' });
    const work = async (text: string) => {
      await hold('a', digestOf(text));
      await content.put(text);
      expect((await content.store.stat(digestOf(text))).size).toBe(text.length);
    };
    const texts = Array.from({ length: 60 }, (_, number) => `blob ${number}`);
    const sweeps = (async () => {
      for (let count = 0; count < 10; count++) await content.store.sweep(none);
    })();
    await Promise.all([...texts.map(work), sweeps]);
    expect(await names()).toEqual(texts.map(digestOf).sort());
  });
});

describe('an ingest', () => {
  const idle = { ingestsIdleMs: 60_000 };

  async function begin(ref: string): Promise<void> {
    const ingest = await content.store.openIngest(ref);
    await ingest.write(Buffer.from('half'));
    await ingest.close();
  }

  function age(ref: string): void {
    const then = new Date(Date.now() - 3_600_000);
    for (const file of ['data', 'ref', '']) utimesSync(join(ingestPath(content.root, ref), file), then, then);
  }

  test('goes when nobody has written to it for long', async () => {
    await begin('old');
    await begin('new');
    age('old');
    expect(await content.store.sweep(none, idle)).toEqual({ blobs: [], ingests: ['old'], bytes: 4 });
    expect((await content.store.ingests()).map(({ ref }) => ref)).toEqual(['new']);
  });

  test('stays for a day, if nothing else is said', async () => {
    await begin('ref');
    age('ref');
    expect((await content.store.sweep(none)).ingests).toEqual([]);
  });

  test('stays while somebody has it open', async () => {
    await begin('ref');
    age('ref');
    const ingest = await content.store.openIngest('ref');
    expect((await content.store.sweep(none, idle)).ingests).toEqual([]);
    await ingest.close();
    expect((await content.store.sweep(none, idle)).ingests).toEqual(['ref']);
    expect(existsSync(ingest.path)).toBe(false);
  });

  test('stays while a lease holds it', async () => {
    await begin('ref');
    age('ref');
    await content.store.leases.create({ id: 'a' });
    await content.store.leases.add('a', { type: 'ingest', id: 'ref' });
    expect((await content.store.sweep(none, idle)).ingests).toEqual([]);
    await content.store.leases.delete('a');
    expect((await content.store.sweep(none, idle)).ingests).toEqual(['ref']);
  });

  test('goes without a word when a crash has left it without a ref', async () => {
    const directory = ingestPath(content.root, 'ref');
    mkdirSync(directory);
    writeFileSync(join(directory, 'ref'), 're');
    for (const file of ['ref', '']) utimesSync(join(directory, file), 1, 1);
    expect((await content.store.sweep(none, idle)).ingests).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });
});

test('a mark that fails takes nothing away', async () => {
  await content.put('hello');
  const failure = new Error('no');
  await expect(content.store.sweep(() => Promise.reject(failure))).rejects.toBe(failure);
  expect(await names()).toEqual([HELLO]);
});

test('the signal ends it', async () => {
  await content.put('hello');
  const abort = new AbortController();
  const sweep = content.store.sweep(
    async () => {
      abort.abort(new Error('enough'));
      return () => false;
    },
    { signal: abort.signal },
  );
  await expect(sweep).rejects.toThrow('enough');
  expect(await names()).toEqual([HELLO]);
  expect(await refusal(content.store.stat(digestOf('none')))).toBe('NotFound');
});
