import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DIRECTORY, LOWEST_LAYER, ODD_STACKS } from '../helpers/odd-stacks.js';
import { useOverlayStacks } from '../helpers/overlay-stack.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { expectSameTrees } from '../helpers/same-trees.js';
import { dir, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import type { Tree } from '../helpers/tree.js';

// A stack of layers unpacked twice: each into a directory of its own in overlay form, seen through a real mount;
// and one over the other into a plain directory. Both show the same tree.

/** The same stacks in every run, so that a change is to blame for a failure; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = 150;
const RUNS_WITHOUT_DEVICES = 50;

const ways: readonly (readonly [name: string, ...how: Parameters<typeof useOverlayStacks>])[] = [
  ['root', 'root'],
  ['user-namespace', 'user-namespace'],
  ['user-namespace that may not make devices', 'user-namespace', { devices: false }],
];

for (const [way, ...how] of ways)
  describe(`an overlay mount as ${way} shows what the directory target has`, { timeout: 600_000 }, () => {
    const withStack = useOverlayStacks(...how);
    const [privileges, { devices = true } = {}] = how;

    for (const [name, layers] of Object.entries(ODD_STACKS))
      test(name, () =>
        withStack(async (stack) => {
          expect(await stack.add(LOWEST_LAYER)).toBeUndefined();
          for (const layer of layers) expect(await stack.add(tar(...layer))).toBeUndefined();
          expectSameTrees(stack.merged(), await stack.mounted());
        }),
      );

    test('random stacks', async () => {
      const property = fc.asyncProperty(layerStacks, (layers) =>
        withStack(async (stack) => {
          await stack.add(LOWEST_LAYER);
          let expected: Tree | undefined;
          for (const layer of buildLayers(layers)) {
            if ((await stack.add(layer)) !== undefined) break;
            expected = stack.merged();
          }
          if (expected !== undefined) expectSameTrees(expected, await stack.mounted());
        }),
      );
      await fc.assert(property, { numRuns: devices ? RUNS : RUNS_WITHOUT_DEVICES, seed: SEED });
    });

    test('marks that an image brings along are shown, not obeyed', () =>
      withStack(async (stack) => {
        const name = privileges === 'root' ? 'trusted.overlay.opaque' : 'user.overlay.opaque';
        await stack.add(tar(...DIRECTORY));
        await stack.add(tar(dir('d', { xattrs: { [name]: 'y' } })));
        const mounted = await stack.mounted();
        expect(mounted.has('d/x')).toBe(true);
        expect(mounted.get('d')?.xattrs).toEqual({ [name]: 'y' });
      }));

    test('the marks are those of the kernel', () =>
      withStack(async (stack) => {
        await stack.add(tar(...DIRECTORY));
        await stack.add(tar(whiteout('d/x'), opaque('d/y')));
        const upper = stack.upper(1);
        const prefix = privileges === 'root' ? 'trusted' : 'user';
        expect(upper.get('d/y')?.xattrs).toMatchObject({ [`${prefix}.overlay.opaque`]: 'y' });
        if (devices) {
          expect(upper.get('d/x')).toMatchObject({ type: 'character-device', device: '0:0' });
          expect(upper.get('d')?.xattrs).not.toHaveProperty([`${prefix}.overlay.opaque`]);
        } else {
          expect(upper.get('d/x')).toMatchObject({ type: 'file', size: 0 });
          expect(upper.get('d/x')?.xattrs).toHaveProperty(['user.overlay.whiteout']);
          expect(upper.get('d')?.xattrs).toMatchObject({ 'user.overlay.opaque': 'x' });
        }
        expect(stack.anomalies('whiteout-as-attribute')).toBe(devices ? 0 : 1);
      }));
  });
