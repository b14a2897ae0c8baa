import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { compress } from 'zstd-napi';
import { planLayer, unpackLayer } from '../../src/index.js';
import { test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { readTree, sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const noHang = { timeout: 60_000 };

const members = (seed: number) =>
  Array.from({ length: 300 }, (_, index) => file(`d${index % 7}/f${index}`, `${seed} `.repeat(index * 3)));
const broken = Buffer.concat([...members(99), Buffer.alloc(512, 'x')]);

test('eight at once: each is right', noHang, async () => {
  const work = makeWorkDirectory();
  const layers = Array.from({ length: 8 }, (_, seed) => {
    const archive = tar(...members(seed));
    return { archive, bytes: [archive, gzipSync(archive), compress(archive)][seed % 3]! };
  });
  const results = await Promise.all(
    layers.map(({ bytes }, seed) => unpackLayer(bytes, join(work, `${seed}`))),
  );
  for (const [seed, { archive }] of layers.entries()) {
    expect(results[seed]).toMatchObject({ diffID: `sha256:${sha256(archive)}`, entries: 300 });
    const tree = readTree(join(work, `${seed}`));
    for (const index of [0, 1, 150, 299])
      expect(tree.get(`d${index % 7}/f${index}`)?.sha256).toBe(sha256(`${seed} `.repeat(index * 3)));
    expect(tree.size).toBe(1 + 7 + 300);
  }
  execFileSync('rm', ['-rf', work]);
});

test('failures among successes do not touch these', noHang, async () => {
  const work = makeWorkDirectory();
  const good = tar(...members(1));
  const runs = Array.from({ length: 12 }, (_, index) =>
    unpackLayer(
      index % 3 === 0 ? good : index % 3 === 1 ? broken : gzipSync(good).subarray(0, -20),
      join(work, `${index}`),
    ),
  );
  const outcomes = await Promise.allSettled(runs);
  expect(outcomes.map(({ status }) => status)).toEqual(
    Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? 'fulfilled' : 'rejected')),
  );
  expect(readdirSync(work).sort()).toEqual(['0', '3', '6', '9']);
  for (const name of readdirSync(work)) expect(readTree(join(work, name)).size).toBe(308);
  execFileSync('rm', ['-rf', work]);
});

describe('the threads are used again', noHang, () => {
  test('after each kind of failure, and the next layer is right', async ({ box }) => {
    const good = tar(...members(2));
    const failures: (() => Promise<unknown>)[] = [
      () => box.unpack(broken),
      () => box.unpack(gzipSync(good).subarray(0, -9)),
      () => box.unpack(compress(good).subarray(0, -9)),
      () => box.unpack(good, { limits: { maxEntries: 5 } }),
      () => box.unpack(good, { digest: `sha256:${'0'.repeat(64)}` }),
      () => box.unpack(good, { signal: AbortSignal.timeout(0) }),
      () => unpackLayer(good, '/nowhere/at/all'),
      () => box.unpack(Buffer.from('fd377a585a0000', 'hex')),
      async () => {
        for await (const _ of planLayer(broken));
      },
    ];
    const threads = countThreads();
    for (const fail of failures) {
      await expect(fail()).rejects.toBeDefined();
      const result = await box.unpack(good);
      expect(result).toMatchObject({ diffID: `sha256:${sha256(good)}`, entries: 300 });
      expect(box.tree().size).toBe(308);
      box.empty();
    }
    // Threads that each failure leaves behind would be more than a few.
    expect(countThreads() - threads).toBeLessThan(2 * failures.length);
  });

  test('no descriptors are left open', async ({ box }) => {
    await box.unpack(tar(...members(3)));
    box.empty();
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 10; round++) {
      await expect(box.unpack(broken)).rejects.toBeDefined();
      await box.unpack(tar(...members(3)));
      box.empty();
    }
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before + 3);
  });
});

test('more plans than cores are read in step with each other', noHang, async () => {
  const many = tar(...Array.from({ length: 20_000 }, (_, index) => file(`f${index}`, '')));
  const plans = Array.from({ length: availableParallelism() + 1 }, () => planLayer(many));
  const loops = plans.map((plan) => plan[Symbol.asyncIterator]());
  for (let count = 0; count < 20_000; count++)
    for (const loop of loops) expect((await loop.next()).done).toBe(false);
  for (const loop of loops) await loop.return?.();
});

test('a plan and an unpack of one layer say the same', noHang, async ({ box }) => {
  const layer = gzipSync(tar(...members(4)));
  const plan = planLayer(layer);
  let operations = 0;
  for await (const { operation } of plan) {
    expect(operation.op).toBe('file');
    operations += 1;
  }
  expect(operations).toBe(300);
  expect(await plan).toEqual(await box.unpack(layer));
});

function countThreads(): number {
  return readdirSync('/proc/self/task').length;
}
