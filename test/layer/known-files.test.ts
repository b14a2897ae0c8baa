import { describe, expect, test } from 'vitest';
import { FACT, FACTS, FileFactsLog } from '../../src/layer/manifest/file-facts.js';
import { KnownFiles } from '../../src/layer/manifest/write-manifest.js';

const MODE = 0o100640;
const CHECKSUM = 0xfedcba98;

function rowOf(inode: number, given: Partial<Record<keyof typeof FACT, number>> = {}): Float64Array {
  const facts = { uid: 1, gid: 2, mode: MODE, mtimeSec: -3, mtimeNsec: 4, size: 5e12, blocks: 8 };
  const row = new Float64Array(FACTS);
  for (const [name, value] of Object.entries({ ...facts, checksum: CHECKSUM, inode, ...given }))
    row[FACT[name as keyof typeof FACT]] = value;
  return row;
}

function known(take: (log: FileFactsLog) => void): KnownFiles {
  const log = new FileFactsLog();
  take(log);
  return new KnownFiles(log.all());
}

test('all that is known of a file', () => {
  const files = known((log) => log.note(rowOf(7), 0));
  expect(files.find(7, 'd/f')).toEqual({
    ...{ path: 'd/f', type: 'file', mode: 0o640, uid: 1, gid: 2, mtimeSec: -3, mtimeNsec: 4 },
    ...{ size: 5e12, link: undefined, checksum: CHECKSUM, xattrs: 0, blocks: 8 },
  });
  expect(files.checksumOf(7)).toBe(CHECKSUM);
});

test.each([
  ['runs that lie apart', (index: number) => (index % 8) * 2 ** 17 + (index >> 3)],
  ['more than 32 bits', (index: number) => 2 ** 40 + index * 2 ** 32],
  ['one after the other', (index: number) => index + 1],
])('10,000 files: inodes of %s', (_, inodeOf) => {
  const files = known((log) => {
    for (let index = 0; index < 10_000; index++) log.note(rowOf(inodeOf(index), { size: index }), 0);
  });
  for (let index = 0; index < 10_000; index++) expect(files.find(inodeOf(index), '')?.size).toBe(index);
  expect(files.find(inodeOf(10_000), '')).toBeUndefined();
});

describe('has to be looked at', () => {
  test('a file without facts', () => {
    const files = known(() => {});
    expect([files.find(7, ''), files.checksumOf(7)]).toEqual([undefined, undefined]);
  });

  test('a file that may have attributes; its checksum is known', () => {
    const files = known((log) => log.note(rowOf(7, { mode: -1 }), 0));
    expect([files.find(7, ''), files.checksumOf(7)]).toEqual([undefined, CHECKSUM]);
  });

  test('a file with further names; its checksum is known', () => {
    const files = known((log) => {
      log.noteLinked(7);
      log.note(rowOf(7), 0); // whoever finishes a file may do so after it was linked
    });
    expect([files.find(7, ''), files.checksumOf(7)]).toEqual([undefined, CHECKSUM]);
  });

  test('a file that is not part of the layer and has the inode of a removed file', () => {
    const files = known((log) => {
      log.note(rowOf(7), 0);
      log.forget(7);
    });
    expect([files.find(7, ''), files.checksumOf(7)]).toEqual([undefined, undefined]);
  });
});

test('of two with one inode the later one holds', () => {
  const files = known((log) => {
    log.note(rowOf(7, { size: 1 }), 0);
    log.forget(7);
    log.note(rowOf(7, { size: 2 }), 0);
  });
  expect(files.find(7, '')?.size).toBe(2);
});
