import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OverlayerError, unpackLayer } from '../../src/index.js';
import { makeDiff } from '../helpers/make-diff.js';
import { MountNamespace, NOBODY } from '../helpers/mount-namespace.js';
import { changesIn, overlayChanges } from '../helpers/overlay-changes.js';
import { buildLayers, containedStacks, layerStacks } from '../helpers/random-layers.js';
import { expectSameTrees } from '../helpers/same-trees.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

// Trees are made of random layers, and changed by more of them. A diff of two, applied to the first, gives the second,
// exactly: contents, attributes, times, which names are one file.

/** The same trees in every run, so that a change is to blame for a failure; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = 150;

/** Layers that a tree was made of; what no tree can be made of counts for nothing. */
async function isUnpacked(layers: readonly Buffer[], unpack: (layer: Buffer) => Promise<unknown>) {
  try {
    for (const layer of layers) await unpack(layer);
    return true;
  } catch (error) {
    if (!OverlayerError.is(error) || !['InvalidArgument', 'NotFound'].includes(error.code)) throw error;
    return false;
  }
}

function copy(from: string, to: string): string {
  execFileSync('cp', ['--archive', from, to]);
  return to;
}

const merge = (layer: Buffer, into: string) => unpackLayer(layer, into, { existing: 'merge', sync: false });

describe('a diff applied to its base gives the tree back', () => {
  test('of a tree and what became of it', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(layerStacks, layerStacks, async (first, then) => {
        await inWorkDirectory(async (at) => {
          mkdirSync(at('lower'));
          if (!(await isUnpacked(buildLayers(first), (layer) => merge(layer, at('lower'))))) return;
          copy(at('lower'), at('upper'));
          await isUnpacked(buildLayers([[], ...then]), (layer) => merge(layer, at('upper')));
          const { layer } = await makeDiff({ lower: at('lower'), upper: at('upper') });
          await merge(layer, copy(at('lower'), at('applied')));
          expect(diffTrees(readTree(at('upper')), readTree(at('applied')))).toEqual([]);
          const again = await makeDiff({ lower: at('upper'), upper: at('applied') });
          expect(again.entries, 'nothing is left to change').toBe(0);
          compared += 1;
        });
      }),
      { numRuns: RUNS, seed: SEED },
    );
    expect(compared).toBeGreaterThan(RUNS / 2);
  });

  test('of two trees that have nothing to do with each other; of all of one', async () => {
    await fc.assert(
      fc.asyncProperty(layerStacks, layerStacks, async (one, other) => {
        await inWorkDirectory(async (at) => {
          for (const [name, stack] of [
            ['lower', one],
            ['upper', other],
          ] as const) {
            mkdirSync(at(name));
            await isUnpacked(buildLayers(stack), (layer) => merge(layer, at(name)));
          }
          const { layer } = await makeDiff({ lower: at('lower'), upper: at('upper') });
          await merge(layer, copy(at('lower'), at('applied')));
          expect(diffTrees(readTree(at('upper')), readTree(at('applied')))).toEqual([]);
          const whole = await makeDiff({ upper: at('upper') });
          await unpackLayer(whole.layer, at('whole'), { sync: false });
          expect(diffTrees(readTree(at('upper')), readTree(at('whole')))).toEqual([]);
        });
      }),
      { numRuns: RUNS, seed: SEED },
    );
  });
});

/** Names, each with the number of the file that it belongs to; files of one content are otherwise the same. */
const links = fc.dictionary(fc.constantFrom(...'abcdef'), fc.nat(5));

function makeLinked(directory: string, names: Readonly<Record<string, number>>): void {
  mkdirSync(directory);
  const files = new Map<number, string>();
  for (const [name, file] of Object.entries(names)) {
    const path = join(directory, name);
    const first = files.get(file);
    if (first === undefined) writeFileSync(path, `content ${file % 2}`);
    else linkSync(first, path);
    utimesSync(path, 1, 1);
    files.set(file, first ?? path);
  }
}

test('names that are one file in one tree, and several in the other', async () => {
  await fc.assert(
    fc.asyncProperty(links, links, async (one, other) => {
      await inWorkDirectory(async (at) => {
        makeLinked(at('lower'), one);
        makeLinked(at('upper'), other);
        const { layer } = await makeDiff({ lower: at('lower'), upper: at('upper') });
        await merge(layer, copy(at('lower'), at('applied')));
        expect(diffTrees(readTree(at('upper')), readTree(at('applied')))).toEqual([]);
      });
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

describe.each(['root', 'user-namespace'] as const)('changes in a mounted overlay, as %s', (privileges) => {
  let namespace: MountNamespace;
  beforeAll(async () => {
    namespace = await MountNamespace.start(privileges);
  });
  afterAll(() => namespace.close());

  test('the upperdir gives the same layer as the mounted trees, which gives the tree back', async () => {
    const runs = privileges === 'root' ? RUNS : 30;
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(containedStacks, overlayChanges, async (stack, changes) => {
        await inWorkDirectory(async (at) => {
          mkdirSync(at('base'));
          const layers = buildLayers(stack);
          if (!(await isUnpacked(layers, (layer) => merge(layer, at('base'))))) return;
          const lowers: string[] = [];
          for (const [number, layer] of layers.entries()) {
            const lower = at(`layer-${number}`);
            const rootless = privileges !== 'root';
            await unpackLayer(layer, lower, { target: 'overlay', lowers, rootless, sync: false });
            lowers.unshift(lower);
          }
          if (privileges !== 'root') execFileSync('chown', ['-hR', `${NOBODY}:${NOBODY}`, at('.')]);
          const mounted = await namespace.mountWritable(
            at('.'),
            lowers,
            privileges === 'root' ? [] : ['userxattr'],
          );
          await namespace.run(changesIn(mounted.path, changes));
          const merged = readTree(mounted.seen);
          for (const source of [
            { lowers, upper: mounted.upper },
            { lower: at('base'), upper: mounted.seen },
          ]) {
            const { layer } = await makeDiff(source);
            const applied = copy(at('base'), at('applied'));
            await merge(layer, applied);
            // A mount may show two names of a file as two files, once the kernel has forgotten their inodes.
            expectSameTrees(readTree(applied), merged);
            rmSync(applied, { recursive: true });
          }
          await namespace.unmount(mounted.seen);
          compared += 1;
        });
      }),
      { numRuns: runs, seed: SEED },
    );
    expect(compared).toBeGreaterThan(runs / 3);
  });
});
