import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OverlayerError, openImageFiles, readImageFile, unpackLayer } from '../../src/index.js';
import { bodyOf, withImage } from '../helpers/layout-image.js';
import { LOWEST_LAYER, ODD_STACKS } from '../helpers/odd-stacks.js';
import { buildLayers, type LayerStack, layerStacks } from '../helpers/random-layers.js';
import { tar } from '../helpers/tar-builder.js';
import { readTree, sha256 } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = Number(process.env['OVERLAYER_FUZZ_RUNS'] ?? 40);

describe('the same files as unpacked', { timeout: 600_000 }, () => {
  /** A listing of what is no directory; undefined when it is refused. */
  async function unpacked(
    layers: readonly Uint8Array[],
    at: (name: string) => string,
  ): Promise<readonly string[] | undefined> {
    try {
      for (const [index, layer] of layers.entries()) {
        writeFileSync(at(`${index}.tar`), layer);
        const digest = `sha256:${sha256(layer)}` as const;
        await unpackLayer(at(`${index}.tar`), at('root'), { existing: 'merge', sync: false, digest });
      }
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      return undefined;
    }
    const tree = [...readTree(at('root'))].filter(([, { type }]) => type !== 'directory');
    return tree
      .map(
        ([path, { type, target }]) =>
          `${path} ${type} ${target ?? (type === 'file' ? sha256(readFileSync(at(`root/${path}`))) : '')}`,
      )
      .sort();
  }

  async function given(layers: readonly Uint8Array[]): Promise<unknown> {
    const found = new Map<string, { readonly layer: number; readonly text: string; readonly link: string }>();
    await withImage(layers, async (source) => {
      for await (const each of openImageFiles(source)) {
        const { path, layer, type, linkPath, again } = each;
        // A later entry of a layer replaces an earlier one, and what was below it.
        if (!again && found.has(path)) throw new Error(`${path} comes twice`);
        if (again && type !== 'directory')
          for (const other of found.keys()) if (other.startsWith(`${path}/`)) found.delete(other);
        if (type === 'directory') {
          found.delete(path);
          continue;
        }
        const target = type === 'hardlink' ? found.get(linkPath) : undefined;
        const content = type === 'file' ? sha256(await bodyOf(each)) : linkPath;
        const link = type === 'hardlink' ? linkPath : '';
        found.set(
          path,
          target?.layer === layer ? { ...target } : { layer, text: `${type} ${content}`, link },
        );
      }
    });
    const textOf = (path: string): string => {
      const { text, link } = found.get(path)!;
      return link === '' ? text : textOf(link);
    };
    return [...found.keys()].map((path) => `${path} ${textOf(path)}`).sort();
  }

  /** Lists the directories that lead to each entry, as writers of layers do. */
  function withParents(stack: LayerStack): LayerStack {
    return stack.map((layer) => {
      const listed = new Set<string>();
      return layer.flatMap((step) => {
        const names = step.path.split('/');
        const parents = names.slice(0, -1).map((_, at) => names.slice(0, at + 1).join('/'));
        if (step.kind === 'opaque' && step.path !== '') parents.push(step.path);
        const missing = parents.filter((path) => !listed.has(path));
        for (const path of missing) listed.add(path);
        return [...missing.map((path) => ({ kind: 'directory' as const, path, look: 0 })), step];
      });
    });
  }

  const stacks = fc.oneof(layerStacks, layerStacks.map(withParents));

  /** Without entries that replace a directory of their own layer: the files in it have come before. */
  function withoutReplacedDirectories(stack: LayerStack): LayerStack {
    return stack.map((layer) => {
      const directories = layer.filter(({ kind }) => kind === 'directory').map(nameOf);
      return layer.filter((step) => step.kind === 'directory' || !directories.includes(nameOf(step)));
    });
  }

  function nameOf({ path }: { readonly path: string }): string {
    return path.slice(path.lastIndexOf('/') + 1);
  }

  async function compare(
    layers: readonly Uint8Array[],
    check: (expected: readonly string[]) => Promise<void>,
  ): Promise<void> {
    await inWorkDirectory(async (at) => {
      const expected = await unpacked(layers, at);
      if (expected !== undefined) await check(expected);
    });
  }

  function compareStacks(
    of: fc.Arbitrary<LayerStack>,
    check: (layers: readonly Uint8Array[], expected: readonly string[]) => Promise<void>,
  ): Promise<void> {
    const property = fc.asyncProperty(of, async (stack) => {
      const layers = [LOWEST_LAYER, ...buildLayers(stack)];
      await compare(layers, (expected) => check(layers, expected));
    });
    return fc.assert(property, { numRuns: RUNS, seed: SEED });
  }

  test('random stacks', async () => {
    await compareStacks(stacks.map(withoutReplacedDirectories), async (layers, expected) => {
      expect(await given(layers)).toEqual(expected);
    });
  });

  test('random stacks that replace directories of their own layer: no file is missing', async () => {
    await compareStacks(stacks, async (layers, expected) => {
      expect(await given(layers)).toEqual(expect.arrayContaining([...expected]));
    });
  });

  test('random stacks, each file alone', async () => {
    await compareStacks(stacks, async (layers, expected) => {
      await withImage(layers, async (source) => {
        for (const line of expected) {
          const [path, type, content] = line.split(' ');
          if (type !== 'file') continue;
          const chunks: Uint8Array[] = [];
          for await (const chunk of readImageFile(source, path!)) chunks.push(chunk);
          expect([path, sha256(Buffer.concat(chunks))]).toEqual([path, content]);
        }
      });
    });
  });

  test.each(Object.entries(ODD_STACKS))('%s', async (_, layers) => {
    const archives = [LOWEST_LAYER, ...layers.map((members) => tar(...members))];
    await compare(archives, async (expected) => expect(await given(archives)).toEqual(expected));
  });
});
