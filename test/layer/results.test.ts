import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { PassThrough } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, vi } from 'vitest';
import {
  DEFAULT_LIMITS,
  type LayerProgress,
  type Limits,
  planLayer,
  type UnpackLayerOptions,
} from '../../src/index.js';
import { test } from '../helpers/sandbox.js';
import { dir, file, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { within } from '../helpers/within.js';

const noHang = { timeout: 20_000 };

const archive = tar(
  dir('d'),
  file('d/f', 'x'.repeat(1_000_000)),
  whiteout('gone'),
  opaque('d'),
  file('last'),
);
const layer = gzipSync(archive);
const digest = `sha256:${sha256(layer)}` as const;
const diffID = `sha256:${sha256(archive)}` as const;
const other = `sha256:${'0'.repeat(64)}` as const;

describe('the result', noHang, () => {
  test('of a gzip layer', async ({ box }) => {
    expect(await box.unpack(layer)).toEqual({
      digest,
      diffID,
      compression: 'gzip',
      size: archive.length,
      compressedSize: layer.length,
      entries: 5,
      listsRoot: false,
      whiteouts: 2,
      anomalies: [],
    });
  });

  test('of a plain one: digest and diffID are the same', async ({ box }) => {
    expect(await box.unpack(archive)).toMatchObject({ digest: diffID, diffID, compression: 'none' });
  });

  test('without digests', async ({ box }) => {
    const result = await box.unpack(layer, { digests: 'skip' });
    expect(result).toMatchObject({ digest: undefined, diffID: undefined, entries: 5 });
  });
});

describe('digests', noHang, () => {
  test('that are right', async ({ box }) => {
    expect(await box.unpack(layer, { digest, diffID })).toMatchObject({ digest, diffID });
  });

  test.for([
    ['digest', digest],
    ['diffID', diffID],
  ] as const)('another %s', async ([option, actual], { box }) => {
    const error = await box.failure(layer, { [option]: other });
    expect(error).toMatchObject({ code: 'DataLoss', expected: other, actual });
  });

  test('another one is never committed: in any thread, for any target', async ({ box }) => {
    for (const target of ['directory', 'overlay', 'erofs'] as const)
      for (const thread of ['worker', 'caller'] as const)
        for (const source of [layer, archive])
          for (const option of ['digest', 'diffID'] as const) {
            const error = await box.failure(source, { target, thread, [option]: other });
            expect(error).toMatchObject({ code: 'DataLoss', expected: other });
            expect(readdirSync(dirname(box.dest)).filter((name) => name.startsWith('.'))).toEqual([]);
          }
  });

  test('the archive is good, but bytes after it are not the ones that were meant', async ({ box }) => {
    const longer = Buffer.concat([layer, Buffer.alloc(500_000)]);
    expect(await box.failure(longer, { digest, gzip: 'isal' })).toMatchObject({ code: 'DataLoss' });
    const padded = gzipSync(Buffer.concat([archive, Buffer.alloc(500_000)]));
    expect(await box.failure(padded, { diffID })).toMatchObject({ code: 'DataLoss', expected: diffID });
  });

  test.for([
    'sha256:abc',
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    `sha256:${'0'.repeat(63)}Z`,
    `SHA256:${'0'.repeat(64)}`,
    '',
  ])('%j is none', async (text, { box }) => {
    for (const option of ['digest', 'diffID'])
      expect(await box.failure(layer, { [option]: text })).toMatchObject({ code: 'InvalidArgument' });
  });

  test('can not be checked and skipped at once', async ({ box }) => {
    for (const options of [{ digest }, { diffID }])
      expect(await box.failure(layer, { ...options, digests: 'skip' })).toMatchObject({
        code: 'InvalidArgument',
      });
  });
});

describe('progress', noHang, () => {
  const many = tar(...Array.from({ length: 4000 }, (_, index) => file(`d${index % 40}/f${index}`, 'x')));

  test('rises, and ends with the whole', async ({ box }) => {
    const compressed = gzipSync(many);
    const half = compressed.length >> 1;
    const seen: LayerProgress[] = [];
    async function* halves() {
      yield compressed.subarray(0, half);
      await vi.waitUntil(() => seen.length > 0, { timeout: 20_000 });
      yield compressed.subarray(half);
    }
    await box.unpack(halves(), { onProgress: (progress) => void seen.push(progress) });
    expect(seen[0]!.compressedBytes).toBe(half);
    expect(seen[0]!.entries).toBeLessThan(4000);
    expect(seen.at(-1)).toMatchObject({
      compressedBytes: compressed.length,
      bytes: many.length,
      entries: 4000,
    });
    for (const [index, { compressedBytes, bytes, entries }] of seen.slice(1).entries()) {
      const before = seen[index]!;
      expect(compressedBytes).toBeGreaterThanOrEqual(before.compressedBytes);
      expect(bytes).toBeGreaterThanOrEqual(before.bytes);
      expect(entries).toBeGreaterThanOrEqual(before.entries);
    }
  });

  test('of a buffer: its size is known', async ({ box }) => {
    const compressed = gzipSync(many);
    const seen: LayerProgress[] = [];
    await box.unpack(compressed, { onProgress: (progress) => void seen.push(progress) });
    const { length } = compressed;
    expect(seen.at(-1)).toEqual({
      ...{ compressedBytes: length, compressedSize: length },
      ...{ bytes: many.length, entries: 4000 },
    });
  });

  test('of a stream: its size is not known', async ({ box }) => {
    const seen: LayerProgress[] = [];
    await box.unpack([many], { onProgress: (progress) => void seen.push(progress) });
    expect(seen.at(-1)).toMatchObject({ compressedSize: undefined, bytes: many.length });
  });

  test('is also told of a failure', async ({ box }) => {
    const seen: LayerProgress[] = [];
    await box.failure(many.subarray(0, -1024), { onProgress: (progress) => void seen.push(progress) });
    expect(seen.at(-1)!.entries).toBeGreaterThan(0);
  });

  test('a listener that throws, in the midst or at the end, fails the plan', async () => {
    const failure = new Error('listener');
    const onProgress = () => {
      throw failure;
    };
    const silent = new PassThrough();
    silent.write(many.subarray(0, 1 << 20));
    for (const source of [silent, many]) {
      await expect(within(5000, 'plan', planLayer(source, { onProgress }))).rejects.toBe(failure);
    }
    expect(silent.destroyed).toBe(true);
  });
});

describe('limits', noHang, () => {
  const deep = tar(
    file('a/b/c/d/e', 'x'.repeat(5000), { xattrs: { 'user.a': 'y'.repeat(300) } }),
    symlink('l', 'a'),
  );
  const one: Partial<Limits>[] = [
    { maxBytes: 4000 },
    { maxEntries: 1 },
    { maxPathLength: 8 },
    { maxPathDepth: 4 },
    { maxHeaderBytes: 300 },
    { maxXattrBytes: 300 },
  ];

  test.for(one)('%o', async (limits, { box }) => {
    const [name] = Object.keys(limits) as [keyof Limits];
    const error = await box.failure(deep, { limits });
    expect(error).toMatchObject({ code: 'ResourceExhausted' });
    expect(error.message).toContain(`${name} of ${limits[name]}`);
    expect(error.hint).toContain(name);
  });

  test('larger ones let the same layer through', async ({ box }) => {
    await box.unpack(deep, { limits: DEFAULT_LIMITS });
    expect(box.read('a/b/c/d/e')).toHaveLength(5000);
  });

  test.for([{ maxBytes: -1 }, { maxEntries: Number.NaN }, { maxRatio: '9' }, { maxFiles: 9 }])(
    '%o make no sense',
    async (limits, { box }) => {
      const options = { limits } as unknown as UnpackLayerOptions;
      expect(await box.failure(deep, options)).toMatchObject({ code: 'InvalidArgument' });
    },
  );
});
