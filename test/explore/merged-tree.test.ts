import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ExploredImage,
  exploreImage,
  OverlayerError,
  openImageLayout,
  unpackLayer,
} from '../../src/index.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { mutate, mutations } from '../helpers/mutations.js';
import { LOWEST_LAYER, ODD_STACKS } from '../helpers/odd-stacks.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { tar } from '../helpers/tar-builder.js';
import { readTree, sha256, type Tree } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

// The merged tree in memory is the one that the same layers give on disk, and the same layers are refused.

const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['OVERLAYER_FUZZ_RUNS'] ?? 120);

const NANO = 1_000_000_000n;

/** One line for each entry. */
type Listing = readonly string[];

function linesOf(tree: Tree): Listing {
  return [...tree]
    .filter(([path]) => path !== '.')
    .map(([path, node]) => {
      const mode = node.type === 'symlink' ? '' : node.mode;
      const size = node.type === 'file' ? node.size : 0;
      const mtime = (node.mtime - (((node.mtime % NANO) + NANO) % NANO)) / NANO;
      return [path, node.type, mode, node.uid, node.gid, size, mtime, node.target ?? '', node.linkOf].join(
        ' ',
      );
    })
    .sort();
}

function exploredLines(image: ExploredImage): Listing {
  const files = [...image.files()];
  const groups = new Map<string, string[]>();
  for (const { path, linkTo } of files)
    if (linkTo !== undefined) groups.set(linkTo, [...(groups.get(linkTo) ?? [linkTo]), path].sort());
  const firsts = new Map([...groups.values()].flatMap((names) => names.map((name) => [name, names[0]])));
  const sizes = new Map(files.map(({ path, size }) => [path, size]));
  return files
    .map((file) => {
      const mode = file.type === 'symlink' ? '' : file.mode.toString(8).padStart(4, '0');
      const size = sizes.get(file.linkTo ?? file.path);
      const { path, type, uid, gid, mtimeSec, linkPath } = file;
      return [path, type, mode, uid, gid, size, mtimeSec, linkPath, firsts.get(path)].join(' ');
    })
    .sort();
}

/** Unpacks layers one over the other. @returns the tree, or the code of the error */
async function unpacked(
  layers: readonly Uint8Array[],
  at: (name: string) => string,
): Promise<Listing | string> {
  try {
    for (const [index, layer] of layers.entries()) {
      const source = at(`${index}.tar`);
      writeFileSync(source, layer);
      const digest = `sha256:${sha256(layer)}` as const;
      await unpackLayer(source, at('root'), { existing: 'merge', sync: false, digest });
    }
  } catch (error) {
    return codeOf(error);
  }
  return linesOf(readTree(at('root')));
}

async function explored(
  layers: readonly Uint8Array[],
  at: (name: string) => string,
): Promise<Listing | string> {
  await using source = await openImageLayout(writeFiles(at('layout'), layoutFiles({}, layers)));
  try {
    return exploredLines(await exploreImage(source));
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  if (!OverlayerError.is(error)) throw error;
  return error.code;
}

async function compare(layers: readonly Uint8Array[]): Promise<void> {
  await inWorkDirectory(async (at) => {
    expect(await explored(layers, at)).toEqual(await unpacked(layers, at));
  });
}

/** An archive with several faults is refused for any of them: it is decoded ahead of the tree. */
async function compareAny(layers: readonly Uint8Array[]): Promise<void> {
  await inWorkDirectory(async (at) => {
    const [found, expected] = [await explored(layers, at), await unpacked(layers, at)];
    if (typeof expected === 'string') expect(found).toBeTypeOf('string');
    else expect(found).toEqual(expected);
  });
}

describe('the tree in memory is the tree on disk', { timeout: 600_000 }, () => {
  test.each(Object.entries(ODD_STACKS))('%s', async (_, layers) => {
    await compare([LOWEST_LAYER, ...layers.map((members) => tar(...members))]);
  });

  test('random stacks', async () => {
    const property = fc.asyncProperty(layerStacks, (stack) => compare([LOWEST_LAYER, ...buildLayers(stack)]));
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });

  test('mutated layers', async () => {
    const property = fc.asyncProperty(fc.constantFrom(...REAL_LAYERS), mutations, ([, layer], changes) =>
      compareAny([LOWEST_LAYER, mutate(layer, changes)]),
    );
    await fc.assert(property, { numRuns: RUNS, seed: SEED });
  });
});
