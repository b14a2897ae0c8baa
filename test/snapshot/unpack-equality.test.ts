import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BACKENDS, TREE_BACKENDS } from '../helpers/backends.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { expectSameTrees } from '../helpers/same-trees.js';
import { SnapshotStack } from '../helpers/snapshot-stack.js';
import { dir, tar } from '../helpers/tar-builder.js';

// What unpackSnapshot makes without a mount, seen through one, is what writing through the mounts makes, and what
// all layers merged in one directory are.

/** The same stacks in every run; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = { root: 60, 'user-namespace': 10 };

/** Says how the root is, which otherwise shows when it was made. */
const ROOT = tar(dir('./', { mode: 0o711, uid: 1, gid: 2, mtime: 3, xattrs: { 'user.root': 'r' } }));

describe.each(['root', 'user-namespace'] as const)('%s', { timeout: 300_000 }, (privileges) => {
  const namespace = useNamespace(privileges);

  describe.each(privileges === 'root' ? BACKENDS : TREE_BACKENDS)('%s', (backend) => {
    /** @returns whether it was unpacked: all three agree on that */
    async function add(stack: SnapshotStack, layer: Uint8Array): Promise<boolean> {
      const [unpacked, ...others] = await stack.add(layer);
      expect(others).toEqual([unpacked, unpacked]);
      expect([null, 'InvalidArgument', 'NotFound']).toContain(unpacked);
      return unpacked === null;
    }

    async function expectEqual(stack: SnapshotStack): Promise<void> {
      const [unpacked, written, merged] = await stack.trees();
      expectSameTrees(merged, unpacked);
      expectSameTrees(merged, written);
      expect(unpacked.size).toBeGreaterThan(0);
    }

    test('real layers, each by itself and upon the last', async () => {
      const stack = new SnapshotStack(namespace, backend);
      await add(stack, ROOT);
      for (const [name, layer] of REAL_LAYERS) {
        expect(await add(stack, layer), name).toBe(true);
        await expectEqual(stack);
      }
    });

    test(`${RUNS[privileges]} random stacks`, async () => {
      const property = fc.asyncProperty(layerStacks, async (layers) => {
        const stack = new SnapshotStack(namespace, backend);
        await add(stack, ROOT);
        for (const layer of buildLayers(layers)) if (!(await add(stack, layer))) return;
        await expectEqual(stack);
      });
      await fc.assert(property, { numRuns: RUNS[privileges], seed: SEED });
    });
  });
});
