import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { makeErofsLayer } from '../helpers/erofs-layer.js';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { runErofsTool } from '../helpers/erofs-utils.js';
import { ODD_LAYERS } from '../helpers/odd-layers.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { dir, tar } from '../helpers/tar-builder.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';
import { isKnownDifference, isRefusedByMkfs } from './mkfs-differences.js';

const mounts = useErofsMounts();

/** mkfs.erofs gives the root attributes of its own when the layer does not list it. */
const ROOT = dir('./');

/** Layers that no target refuses, with their EROFS files. */
const LAYERS = [
  ...Object.entries(ODD_LAYERS).map(([name, members]) => [name, tar(ROOT, ...members)] as const),
  ...REAL_LAYERS.map(([name, layer]) => [name, Buffer.concat([ROOT, layer])] as const),
].flatMap(([name, layer]) => {
  try {
    return [[name, layer, makeErofsLayer(layer).bytes] as const];
  } catch {
    return [];
  }
});

describe('fsck.erofs accepts and extracts', () => {
  test.each(LAYERS)('%s', (_, layer, bytes) =>
    inWorkDirectory(async (at) => {
      writeFileSync(at('layer.tar'), layer);
      writeFileSync(at('layer.erofs'), bytes);
      await unpackLayer(at('layer.tar'), at('overlay'), { target: 'overlay', sync: false });
      runErofsTool('fsck', [`--extract=${at('extracted')}`, '--preserve', at('layer.erofs')]);
      // It fails on attributes without a value. The kernel compares attributes in the other tests.
      const [expected, extracted] = [at('overlay'), at('extracted')].map((path) =>
        withoutWhiteoutTimes(readTree(path)),
      );
      expect(diffTrees(expected!, extracted!, ['xattrs'])).toEqual([]);
    }),
  );
});

/** A whiteout on disk has the time and the group of its making, which no mount shows. */
function withoutWhiteoutTimes(tree: Tree): Tree {
  return new Map(
    [...tree].map(([path, node]) => [path, node.device === '0:0' ? { ...node, mtime: 0n, gid: 0 } : node]),
  );
}

describe('mkfs.erofs makes the same tree of', () => {
  test.each(LAYERS.filter(([name]) => !isRefusedByMkfs(name)))('%s', (name, layer, bytes) =>
    inWorkDirectory(async (at) => {
      writeFileSync(at('layer.tar'), layer);
      writeFileSync(at('layer.erofs'), bytes);
      const expected = await mounts.show([at('layer.erofs')]);
      for (const form of ['f', 'i']) {
        runErofsTool('mkfs', ['--quiet', `--tar=${form}`, '--aufs', at('mkfs.erofs'), at('layer.tar')]);
        // An index of a tar is followed by the tar.
        if (form === 'i') appendFileSync(at('mkfs.erofs'), readFileSync(at('layer.tar')));
        const lines = diffTrees(expected, await mounts.show([at('mkfs.erofs')]));
        expect(lines.filter((line) => !isKnownDifference(name, line))).toEqual([]);
        rmSync(at('mkfs.erofs'));
      }
    }, 'disk'),
  );
});
