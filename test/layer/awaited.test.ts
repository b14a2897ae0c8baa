import { availableParallelism } from 'node:os';
import { gzipSync } from 'node:zlib';
import { describe, expect } from 'vitest';
import { createDiff, planLayer, unpackLayer } from '../../src/index.js';
import { failureOf, test as withBox } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { test as withTrees } from '../helpers/two-trees.js';
import { within } from '../helpers/within.js';

// Work whose events are data needs no loop, and holds no thread before it is used.

const SOON = 10_000;
const noHang = { timeout: 20_000 };
/** More operations than may be on their way at once. */
const many = gzipSync(tar(...Array.from({ length: 20_000 }, (_, index) => file(`f${index}`, 'x'))));

describe('a plan', noHang, () => {
  withBox('without a loop settles with the result of a plan with one', async ({ box }) => {
    const result = await within(SOON, 'plan', planLayer(many));
    const plan = planLayer(many);
    let operations = 0;
    for await (const _ of plan) operations += 1;
    expect(operations).toBe(20_000);
    expect(await plan).toEqual(result);
    expect(await box.unpack(many)).toEqual(result);
  });

  withBox('without a loop fails as one with a loop', async () => {
    const broken = many.subarray(0, -1000);
    expect(await failureOf(within(SOON, 'plan', planLayer(broken)))).toMatchObject({ code: 'DataLoss' });
  });

  withBox('whose result was awaited has no operations left', async () => {
    const plan = planLayer(many);
    await plan;
    expect(() => plan[Symbol.asyncIterator]()).toThrow(/dropped/);
  });
});

describe('a diff', noHang, () => {
  withTrees('without a loop settles with the result of a diff with one', async ({ trees }) => {
    // More than the threads share memory for.
    trees.make('true', 'head -c 20000000 /dev/urandom > large');
    const source = { lower: trees.lower, upper: trees.upper };
    const result = await within(SOON, 'diff', createDiff(source));
    const diff = createDiff(source);
    let bytes = 0;
    for await (const chunk of diff) bytes += chunk.length;
    expect(bytes).toBe(result.descriptor.size);
    expect(await diff).toEqual(result);
  });

  withTrees('without a loop fails as one with a loop', async ({ trees }) => {
    trees.make('true', 'echo x > .wh.f');
    const diff = createDiff({ upper: trees.upper });
    expect(await failureOf(within(SOON, 'diff', diff))).toMatchObject({ code: 'FailedPrecondition' });
  });
});

withTrees('tasks that nobody uses hold no threads', noHang, async ({ trees }) => {
  trees.make('true', 'echo x > f');
  const unused = Array.from({ length: 2 * availableParallelism() }, (_, index) =>
    index % 2 === 0 ? planLayer(many) : createDiff({ upper: trees.upper }),
  );
  const { entries } = await within(SOON, 'unpack', unpackLayer(many, `${trees.root}/unpacked`));
  expect(entries).toBe(20_000);
  // In any order.
  for (const task of unused.reverse()) await within(SOON, 'task', task as Promise<unknown>);
});
