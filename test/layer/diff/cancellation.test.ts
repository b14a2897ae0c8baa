import { availableParallelism } from 'node:os';
import { describe, expect } from 'vitest';
import { createDiff } from '../../../src/index.js';
import { makeDiff } from '../../helpers/make-diff.js';
import { inShell, type TwoTrees, test } from '../../helpers/two-trees.js';
import { within } from '../../helpers/within.js';

const noHang = { timeout: 20_000 };
const SOON = 5_000;
const reason = new Error('the caller has had enough');

/** A tree whose layer nobody lives to see the end of: it must be made as it is taken. */
const endless = (trees: TwoTrees) => trees.make('true', 'echo x > a; truncate -s 1T b');

describe.each(['none', 'gzip', 'zstd'] as const)('%s', noHang, (compression) => {
  test('a signal in the midst of the work ends it with its reason', async ({ trees }) => {
    endless(trees);
    const controller = new AbortController();
    const diff = createDiff({ upper: trees.upper }, { compression, signal: controller.signal });
    let bytes = 0;
    const loop = (async () => {
      for await (const chunk of diff) {
        bytes += chunk.length;
        controller.abort(reason);
      }
    })();
    await expect(within(SOON, 'abort', loop)).rejects.toBe(reason);
    await expect(diff).rejects.toBe(reason);
    expect(bytes).toBeGreaterThan(0);
  });

  test('leaving the loop ends it, and the threads are free for others', async ({ trees }) => {
    endless(trees);
    // More than there are crews of threads: one that is not given back would be missed.
    for (let count = 0; count <= availableParallelism(); count++) {
      const diff = createDiff({ upper: trees.upper }, { compression });
      for await (const _ of diff) break;
      await expect(within(SOON, 'result', diff)).rejects.toThrow('left before its end');
    }
    const { entries } = await makeDiff({ upper: trees.lower }, { compression });
    expect(entries).toBe(1);
  });
});

test('a signal that was there before', async ({ trees }) => {
  const diff = makeDiff({ upper: trees.root }, { signal: AbortSignal.abort(reason) });
  await expect(diff).rejects.toBe(reason);
});

test('a signal while all threads are at work for others', noHang, async ({ trees }) => {
  endless(trees);
  const others = Array.from({ length: availableParallelism() }, () =>
    createDiff({ upper: trees.upper }, { compression: 'none' })[Symbol.asyncIterator](),
  );
  for (const other of others) await other.next();
  const controller = new AbortController();
  const waiting = makeDiff({ upper: trees.lower }, { signal: controller.signal });
  waiting.catch(() => {});
  controller.abort(reason);
  await expect(within(SOON, 'abort', waiting)).rejects.toBe(reason);
  for (const other of others) await other.return?.();
});

test('many at once, each with its own bytes', async ({ trees }) => {
  trees.make('true', 'head -c 3000000 /dev/urandom > f; mkdir d; echo x > d/g');
  const compressions = ['none', 'gzip', 'zstd', 'none', 'gzip', 'zstd'] as const;
  const alone = await makeDiff({ upper: trees.upper });
  const made = await Promise.all(compressions.map((compression) => trees.diff({ compression })));
  expect(new Set(made.map(({ entries }) => entries))).toEqual(new Set([3]));
  expect(made[0]!.layer.equals(made[3]!.layer)).toBe(true);
  expect(made[1]!.layer.equals(made[4]!.layer)).toBe(true);
  expect(new Set(made.map(({ diffID }) => diffID)).size).toBe(1);
  expect(alone.entries, 'with the root').toBe(4);
});

test(
  'progress is told while it lasts and at its end; a listener that throws ends it',
  noHang,
  async ({ trees }) => {
    trees.make('true', 'echo x > f');
    let last: unknown;
    const { size, layer } = await trees.diff({ onProgress: (progress) => (last = progress) });
    expect(last).toEqual({
      bytes: size,
      compressedBytes: layer.length,
      compressedSize: undefined,
      entries: 1,
    });
    inShell(trees.upper, 'truncate -s 1T g');
    const failing = createDiff(
      { upper: trees.upper },
      {
        compression: 'none',
        onProgress: () => {
          throw reason;
        },
      },
    );
    const loop = (async () => {
      for await (const _ of failing) await new Promise(setImmediate);
    })();
    await expect(within(SOON, 'failure', loop)).rejects.toBe(reason);
  },
);
