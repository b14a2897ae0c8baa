import { describe, expect } from 'vitest';
import type { Limits } from '../../src/index.js';
import { refusal } from '../helpers/decode.js';
import { test } from '../helpers/sandbox.js';
import { dir, file, hardlink, member, paxBytes, paxRecord, symlink, tar } from '../helpers/tar-builder.js';

// CVE-2026-59874 and its like: small archives that ask for much. Each limit stops its kind, with the entry named.

const many = (count: number) => Array.from({ length: count }, (_, index) => file(`f${index}`));
const deep = (depth: number) => Array(depth).fill('d').join('/');

const folders = (count: number) => Array.from({ length: count }, (_, index) => dir(`d${index}`));
const detours = (count: number) =>
  Array.from({ length: count }, (_, index) => [
    symlink(`l${index}`, 'd/../'.repeat(800)),
    file(`l${index}/f${index}`),
  ]).flat();

const hostile: Record<keyof Limits, { limits?: Partial<Limits>; archive: Buffer; entry?: string }> = {
  maxBytes: { limits: { maxBytes: 4096 }, archive: tar(file('a', 'x'.repeat(5000))) },
  maxEntries: { limits: { maxEntries: 10 }, archive: tar(...many(11)), entry: 'f10' },
  maxPathLength: { archive: tar(file(`${'d/'.repeat(3000)}f`, 'x')) },
  maxPathDepth: { archive: tar(dir(deep(257))), entry: deep(257) },
  maxHeaderBytes: { archive: tar(paxBytes(paxRecord('comment', 'x'.repeat(1024 ** 2))), file('a')) },
  maxXattrBytes: { archive: tar(file('a', '', { xattrs: { 'user.a': 'x'.repeat(256 * 1024) } })) },
  // Each file's parent is a symlink that goes to and fro a thousand times.
  maxWork: { archive: tar(dir('d'), ...detours(300)) },
  maxMemory: { limits: { maxMemory: 32 * 1024 }, archive: tar(...folders(5000)) },
  // These need a compressed stream: decompression-bomb.test.ts, compression/zstd.test.ts.
  maxRatio: { archive: tar() },
  maxWindow: { archive: tar() },
};

describe('each limit ends the unpack', () => {
  for (const [name, { limits, archive, entry }] of Object.entries(hostile)) {
    if (name === 'maxRatio' || name === 'maxWindow') continue;
    test(name, async ({ box }) => {
      const error = await box.failure(archive, { limits });
      expect(error).toMatchObject({ code: 'ResourceExhausted' });
      expect(error.message).toContain(name);
      expect(error.offset).toBeTypeOf('number');
      if (entry !== undefined) expect(error.entry).toBe(entry);
    });
  }

  test('what is just within the limits passes', async ({ box }) => {
    const limits = { maxEntries: 10, maxPathDepth: 20, maxPathLength: 60 };
    await box.unpack(tar(...many(9), dir(deep(20))), { limits });
    expect(box.tree().size).toBe(1 + 9 + 20);
  });
});

describe('the length of link targets', () => {
  for (const [type, entry] of Object.entries({ symlink, hardlink }))
    test(type, () => {
      expect(refusal(tar(entry('l', 'x'.repeat(4097))))).toMatchObject({
        code: 'ResourceExhausted',
        entry: 'l',
      });
    });
});

describe('a size that is claimed only', () => {
  test('nothing of that size is taken before the bytes come', async ({ box }) => {
    const error = await box.failure(tar(member({ name: 'huge', size: { base256: 2 ** 50 } }, 'x')));
    expect(error).toMatchObject({ code: 'ResourceExhausted', entry: 'huge' });
  });

  test('a sparse file of petabytes', async ({ box }) => {
    const records = ['major=1', 'minor=0', 'name=huge', `realsize=${2 ** 50}`].map((text) => {
      const [key, value] = text.split('=') as [string, string];
      return paxRecord(`GNU.sparse.${key}`, value);
    });
    const map = Buffer.from('0\n'.padEnd(512, '\0'));
    const error = await box.failure(tar(paxBytes(Buffer.concat(records)), member({ name: 'stored' }, map)));
    expect(error).toMatchObject({ code: 'ResourceExhausted', entry: 'huge' });
  });

  test('an extended header of gigabytes', () => {
    const claim = member({ name: 'PaxHeader', type: 'x', size: { base256: 2 ** 40 } });
    expect(refusal(tar(claim))).toMatchObject({ code: 'ResourceExhausted', offset: 0 });
  });

  test('a sparse map that does not end', () => {
    const records = [paxRecord('GNU.sparse.major', '1'), paxRecord('GNU.sparse.minor', '0')];
    const endless = Buffer.from('99999999\n'.padEnd(2 * 1024 ** 2, '0\n'));
    const size = paxRecord('GNU.sparse.realsize', '1');
    const archive = tar(paxBytes(Buffer.concat([...records, size])), member({ name: 'f' }, endless));
    expect(refusal(archive)).toMatchObject({ code: 'ResourceExhausted' });
  });
});

describe('GNU sparse maps that can not be', () => {
  const sparse = (map: string, realSize: number) =>
    tar(
      paxBytes(
        Buffer.concat([
          paxRecord('GNU.sparse.size', String(realSize)),
          paxRecord('GNU.sparse.numblocks', String(Math.trunc(map.split(',').length / 2))),
          paxRecord('GNU.sparse.map', map),
        ]),
      ),
      file('f', 'body'),
    );
  for (const map of [
    '0,4,0,4',
    '4,4,0,0,2,4',
    '0,5',
    '0,3',
    '8,4',
    '0',
    '-1,4',
    '0,0x4',
    '9007199254740993,4',
  ])
    test(map, () => expect(refusal(sparse(map, 8))).toMatchObject({ code: 'InvalidArgument' }));
});
