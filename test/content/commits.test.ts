import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { openContentStore } from '../../src/content/open-content-store.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { SystemError } from '../../src/system/system.js';
import { digestOf, readAll, refusal, useContent } from './use-content.js';

const content = useContent();
const HELLO = digestOf('hello');
const bytes = (text: string) => Buffer.from(text);

describe('where the blob is there', () => {
  const commitAgain = async (existing?: 'replace' | 'refuse') => {
    await using ingest = await content.store.openIngest('again');
    await ingest.write(bytes('hello'));
    return await ingest.commit({ labels: { b: '2' }, existing });
  };

  test('a commit replaces it, or leaves it; the leases of the ingest hold it', async () => {
    const before = await content.put('hello', { labels: { a: '1' } });
    const { leases } = content.store;
    const { id } = await leases.create();
    await leases.add(id, { type: 'ingest', id: 'again' });
    expect(await refusal(commitAgain('refuse'))).toBe('AlreadyExists');
    expect(await content.store.stat(HELLO)).toEqual(before);
    expect(await content.store.ingests()).toEqual([]);
    expect(await leases.resources(id)).toEqual([{ type: 'content', id: HELLO }]);
    expect((await commitAgain()).labels).toEqual({ a: '1', b: '2' });
  });

  test('one of another size is damaged, and replaced', async () => {
    const path = await content.put('hello').then(({ digest }) => content.store.path(digest));
    chmodSync(path, 0o600);
    writeFileSync(path, 'hell');
    await commitAgain('refuse');
    expect(await readAll(content.store.read(HELLO))).toBe('hello');
  });
});

test('where the size is a hint, more is written, and committed by its own size', async () => {
  await using ingest = await content.store.openIngest('ref', { size: 4, sizeIs: 'hint' });
  await ingest.write(bytes('hello'));
  expect(await refusal(ingest.commit())).toBe('FailedPrecondition');
  expect((await ingest.commit({ size: 5 })).digest).toBe(HELLO);
});

test('a file system that takes no times takes ingests', async () => {
  const { root, metadata } = content;
  const real = openLinuxSystem();
  const setTimes = () => {
    throw new SystemError('ENOSYS', 'futimens', '');
  };
  const store = await openContentStore({ root, metadata, system: { ...real, setTimes } });
  await using ingest = await store.openIngest('ref');
  await ingest.write(bytes('hello'));
  expect((await ingest.commit()).digest).toBe(HELLO);
});
