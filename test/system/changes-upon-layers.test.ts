import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changesIn, overlayChanges } from '../helpers/overlay-changes.js';
import { useOverlayStacks } from '../helpers/overlay-stack.js';
import { buildLayers, containedStacks } from '../helpers/random-layers.js';
import { dir, file, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { diffTrees, type Ignored } from '../helpers/tree.js';

// What containers do to a mount of layers has to work as on any file system. overlayfs decides whether a directory may
// be removed or renamed by looking at the whiteouts in it, which no listing shows.

/** The same in every run; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = 40;

/** The changes set times; and a mount may show two names of a file as two files. */
const CHANGED: Ignored = ['mtime', 'linkOf'];

/** Without hard links: overlayfs copies a file up for one of its names, and the others keep what was there. */
const stacks = containedStacks.map((stack) =>
  stack.map((steps) => steps.filter(({ kind }) => kind !== 'hardlink')),
);

const root = tar(dir('./', { mode: 0o755 }));
const full = tar(dir('d'), file('d/a', 'a'), file('d/b', 'b'), file('d/e/c', 'c'), symlink('l', 'd'));
const emptied = tar(whiteout('d/a'), whiteout('d/b'), whiteout('d/e'));
const emptiedBelow = tar(whiteout('d/a'), whiteout('d/b'), whiteout('d/e/c'));

const changes: Record<string, readonly [layers: readonly Buffer[], line: string]> = {
  'a directory that a layer has emptied is removed': [[full, emptied], 'rmdir d'],
  'the same with a directory in it that is empty as well': [[full, emptiedBelow], 'rmdir d/e && rmdir d'],
  'it is removed with all below it': [[full, emptiedBelow], 'rm -r d'],
  'it is removed, and made again': [[full, emptied], 'rmdir d && mkdir d && touch d/new && ls d'],
  'it is renamed': [[full, emptied], 'mv d moved && ls moved'],
  'it is renamed after something was put into it': [[full, emptied], 'touch d/new && mv d moved'],
  'a directory takes its place by a rename': [[full, emptied], 'mkdir n && touch n/f && mv -T n d'],
  'a directory that was emptied through a symlink is removed': [
    [full, tar(whiteout('l/a'), whiteout('l/b'), whiteout('l/e'))],
    'rmdir d',
  ],
  'a directory that an opaque mark has emptied is removed': [[full, tar(opaque('d'))], 'rmdir d'],
  'a directory that was made opaque through a symlink is removed': [[full, tar(opaque('l'))], 'rmdir d'],
  'a directory that was emptied by one layer after another is removed': [
    [full, tar(whiteout('d/a')), tar(whiteout('d/b')), tar(whiteout('d/e'))],
    'rmdir d',
  ],
  'a file is put where a layer has deleted one, and removed again': [
    [full, emptied],
    'echo new > d/a && rm d/a && rmdir d',
  ],
};

for (const privileges of ['root', 'user-namespace'] as const)
  describe(`upon layers, mounted as ${privileges}`, { timeout: 600_000 }, () => {
    const withStack = useOverlayStacks(privileges);

    for (const [name, [layers, line]] of Object.entries(changes))
      test(name, () =>
        withStack(async (stack) => {
          for (const layer of [root, ...layers]) expect(await stack.add(layer)).toBeUndefined();
          const { mounted, merged } = await stack.change(line);
          expect(diffTrees(merged, mounted, CHANGED)).toEqual([]);
        }),
      );

    test('random changes come to what they come to in a plain directory', async () => {
      const property = fc.asyncProperty(stacks, overlayChanges, (layers, lines) =>
        withStack(async (stack) => {
          for (const layer of [root, ...buildLayers(layers)])
            if ((await stack.add(layer)) !== undefined) return;
          const { mounted, merged } = await stack.change(changesIn('.', lines));
          expect(diffTrees(merged, mounted, CHANGED)).toEqual([]);
        }),
      );
      await fc.assert(property, { numRuns: RUNS, seed: SEED });
    });
  });

describe('where no device may be made', () => {
  const withStack = useOverlayStacks('user-namespace', { devices: false });

  test('whiteouts hide, but the kernel does not remove the directory; the result says so', () =>
    withStack(async (stack) => {
      for (const layer of [root, full, emptied]) await stack.add(layer);
      expect(stack.anomalies('whiteout-as-attribute')).toBe(3);
      const { mounted } = await stack.change('rm -f d/a && ls d');
      expect([...mounted.keys()]).toEqual(['.', 'd', 'l']);
      await expect(stack.change('rmdir d')).rejects.toThrow('Directory not empty');
    }));
});
