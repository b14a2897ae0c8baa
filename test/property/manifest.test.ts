import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OverlayerError } from '../../src/base/errors.js';
import { readManifest } from '../../src/layer/manifest/read-manifest.js';
import { verifyTree } from '../../src/layer/manifest/verify-tree.js';
import { writeManifest } from '../../src/layer/manifest/write-manifest.js';
import { type ApplyLayerOptions, applyLayer } from '../../src/layer/unpack-layer.js';
import { measureUsage } from '../../src/rootfs/trees/measure-usage.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O } from '../../src/system/system.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

// A manifest of what is known of the files is the same, byte for byte, as one for which each file is looked at and read.

const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = 100;
const system = openLinuxSystem();

const WAYS = {
  'a layer upon others': (lowers) => ({ target: 'overlay', lowers }),
  'the same without privileges': (lowers) => ({ target: 'overlay', lowers, rootless: true }),
  'a tree with all of them': () => ({ target: 'directory', existing: 'merge' }),
} satisfies Record<string, (lowers: readonly string[]) => Partial<ApplyLayerOptions>>;

/** @returns whether the layers could be unpacked: no tree can be made of some */
async function compare(
  layers: readonly Uint8Array[],
  way: keyof typeof WAYS,
  where: 'fast' | 'disk',
): Promise<boolean> {
  let unpacked = false;
  await inWorkDirectory(async (at) => {
    const lowers: string[] = [];
    for (const [index, layer] of layers.entries()) {
      const options = { ...WAYS[way](lowers), temporary: false, sync: false, facts: true };
      const tree = at('lowers' in options ? `layer-${index}` : 'tree');
      const { facts } = await applyLayer(layer, tree, options);
      const root = system.openAt(AT_FDCWD, tree, O.RDONLY | O.DIRECTORY, 0);
      const usage = writeManifest(system, at('known'), { root, facts });
      writeManifest(system, at('looked-at'), { root });
      expect(await readFile(at('known'), 'utf8')).toBe(await readFile(at('looked-at'), 'utf8'));
      expect(usage).toEqual(measureUsage(system, root));
      expect(verifyTree(system, root, readManifest(at('known')), { content: true })).toEqual([]);
      system.close(root);
      lowers.unshift(tree);
    }
    unpacked = true;
  }, where).catch((error: unknown) => {
    if (!OverlayerError.is(error) || !['InvalidArgument', 'NotFound'].includes(error.code)) throw error;
  });
  return unpacked;
}

for (const way of Object.keys(WAYS) as (keyof typeof WAYS)[]) {
  test(`${way}: random ones`, async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(layerStacks, async (stack) => {
        // Where a file may get the inode of one that is gone.
        if (await compare(buildLayers(stack), way, 'disk')) compared += 1;
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(compared).toBeGreaterThan(RUNS / 3);
  });

  test(`${way}: real ones`, async () => {
    // A disk that is short of long free runs gives large files one block more when it writes them, after they were counted.
    for (const [name, layer] of REAL_LAYERS) expect(await compare([layer], way, 'fast'), name).toBe(true);
  });
}
