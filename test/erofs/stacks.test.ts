import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { mutate, mutations } from '../helpers/mutations.js';
import { DIRECTORY, LOWEST_LAYER, ODD_STACKS } from '../helpers/odd-stacks.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { dir, tar } from '../helpers/tar-builder.js';
import { TargetStack } from '../helpers/target-stack.js';
import type { Tree } from '../helpers/tree.js';

// Stacks of layers by each target. The directory, the overlay mount of upperdirs, that of EROFS files, and that of both
// kinds show the same tree.

/** The same stacks in every run, so that a change is to blame for a failure; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['OVERLAYER_FUZZ_RUNS'] ?? 120);

const mounts = useErofsMounts();

describe('a stack of EROFS files shows what the other targets have', { timeout: 600_000 }, () => {
  test.each(Object.entries(ODD_STACKS))('%s', async (_, layers) => {
    using stack = new TargetStack(mounts);
    for (const layer of [LOWEST_LAYER, ...layers.map((members) => tar(...members))])
      expect(await stack.add(layer)).toBeUndefined();
    await stack.check();
  });

  test('random stacks', async () => {
    const property = fc.asyncProperty(layerStacks, async (layers) => {
      using stack = new TargetStack(mounts);
      await stack.add(LOWEST_LAYER);
      let expected: Tree | undefined;
      for (const layer of buildLayers(layers)) {
        if ((await stack.add(layer)) !== undefined) break;
        expected = stack.merged();
      }
      if (expected !== undefined) await stack.check(expected);
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  test('mutated layers', async () => {
    const property = fc.asyncProperty(
      fc.constantFrom(...REAL_LAYERS),
      mutations,
      async ([, layer], changes) => {
        using stack = new TargetStack(mounts);
        await stack.add(LOWEST_LAYER);
        if ((await stack.add(mutate(layer, changes))) === undefined) await stack.check();
      },
    );
    await fc.assert(property, { numRuns: RUNS / 2, seed: SEED });
  });

  test('marks that an image brings along are shown, not obeyed', async () => {
    using stack = new TargetStack(mounts);
    await stack.add(tar(...DIRECTORY));
    await stack.add(tar(dir('d', { xattrs: { 'trusted.overlay.opaque': 'y' } })));
    await stack.check();
    expect(stack.merged().has('d/x')).toBe(true);
  });
});
