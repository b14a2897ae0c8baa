import { describe, expect } from 'vitest';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

// GHSA-rp3h-jf77-q9p4: containerd walked a directory once for each opaque marker in it. Twice the layer may take
// twice the time, and some more on a busy machine; a quadratic one takes four times.
const MOST = 3.2;
const RUNS = 3;

const range = (count: number) => Array.from({ length: count }, (_, index) => index);

/** Layers of a size: what is there before, and what is measured. */
type Shape = (size: number) => { readonly lower: Buffer[]; readonly upper: Buffer[] };

const shapes: Record<string, Shape> = {
  'one opaque marker again and again': (size) => ({
    lower: [],
    upper: range(size).flatMap((index) => [file(`d/${index}`), opaque('d')]),
  }),
  'an opaque marker in each directory of a large tree': (size) => ({
    lower: range(size).map((index) => file(`d/${index}/x`)),
    upper: range(size).flatMap((index) => [file(`d/${index}/y`), opaque(`d/${index}`)]),
  }),
  'an opaque marker over each level of a deep tree': (size) => ({
    lower: [],
    upper: range(size).flatMap((index) => {
      const path = `${Array(index % 200)
        .fill('d')
        .join('/')}`;
      return [opaque(path), file(`${path === '' ? '' : `${path}/`}f${index}`)];
    }),
  }),
  'a whiteout for each file': (size) => ({
    lower: range(size).map((index) => file(`d/${index}`)),
    upper: range(size).map((index) => whiteout(`d/${index}`)),
  }),
  'a whiteout of the same full directory, before and after each of its files': (size) => ({
    lower: [],
    upper: range(size).flatMap((index) => [whiteout('d'), file(`d/${index}`)]),
  }),
  'one file again and again': (size) => ({ lower: [], upper: range(size).flatMap(() => [file('d/f', 'x')]) }),
  'a directory and a symlink in turn': (size) => ({
    lower: [],
    upper: range(size).flatMap(() => [dir('d'), file('d/f'), symlink('d', 'e')]),
  }),
};

type Target = 'directory' | 'overlay';

/** @returns one run after the other, each time a layer of that size is unpacked over its lower one */
async function prepare(
  box: Sandbox,
  shape: Shape,
  size: number,
  target: Target,
): Promise<() => Promise<number>> {
  const { lower, upper } = shape(size);
  const layer = tar(...upper);
  const lowers = target === 'overlay' ? [await box.directory(`lower-${size}`, ...lower)] : [];
  return async () => {
    box.empty();
    if (target === 'directory') await box.unpack(tar(...lower), { sync: false });
    const start = performance.now();
    await box.unpack(layer, { target, lowers, existing: 'merge', sync: false });
    return performance.now() - start;
  };
}

describe('GHSA-rp3h-jf77-q9p4: time grows with the entries, not with their square', () => {
  for (const target of ['directory', 'overlay'] as const)
    for (const [name, shape] of Object.entries(shapes))
      test(`${name}, ${target}`, { timeout: 120_000, retry: 2 }, async ({ box }) => {
        const [small, large] = [
          await prepare(box, shape, 3000, target),
          await prepare(box, shape, 6000, target),
        ];
        const times = { small: Number.POSITIVE_INFINITY, large: Number.POSITIVE_INFINITY };
        // In turn, and the best of each: what else the machine does then touches both.
        for (let run = 0; run < RUNS; run++) {
          times.small = Math.min(times.small, await small());
          times.large = Math.min(times.large, await large());
        }
        expect(times.large / times.small, JSON.stringify(times)).toBeLessThan(MOST);
      });
});
