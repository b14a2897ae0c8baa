import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { decodeHead } from '../../src/erofs/head.js';
import { mergeErofs } from '../../src/erofs/index.js';
import { type Mount, OverlayerError } from '../../src/index.js';
import { makeErofsLayer } from '../helpers/erofs-layer.js';
import { lookMounted } from '../helpers/look-mounted.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { oldGnuSparse } from '../helpers/sparse-members.js';
import {
  characterDevice,
  dir,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { readerOf } from './sample-image.js';

const namespace = useNamespace('root');
const base = makeWorkDirectory('disk');
afterAll(() => rmSync(base, { recursive: true }));

/** @param files of the layers, lowest first */
function merge(files: readonly Buffer[]) {
  const layers = files.map((bytes) => {
    const { diffID, inheritsRoot } = decodeHead(bytes);
    return { image: readerOf(bytes), bytes: bytes.length, diffID, inheritsRoot };
  });
  const merged = mergeErofs(layers);
  const metadata = Buffer.concat([
    merged.beginning,
    ...Array.from(merged.metadata(), (piece) => Buffer.from(piece)),
  ]);
  return { ...merged, image: metadata, whole: Buffer.concat([metadata, ...files]) };
}

let roots = 0;

/**
 * Makes a layer file of each archive.
 *
 * @param refused `end`: the stack ends below a layer that can't be unpacked
 * @returns their paths, lowest first
 */
function makeLayers(
  archives: readonly Buffer[],
  refused: 'throw' | 'end' = 'throw',
): {
  readonly root: string;
  readonly paths: readonly string[];
} {
  const root = join(base, String(roots++));
  mkdirSync(root);
  const paths: string[] = [];
  for (const archive of archives) {
    const path = join(root, `layer-${paths.length}.erofs`);
    try {
      writeFileSync(path, makeErofsLayer(archive, { lowers: [...paths].reverse() }).bytes);
    } catch (error) {
      if (refused === 'end' && OverlayerError.is(error)) break;
      throw error;
    }
    paths.push(path);
  }
  return { root, paths };
}

type PlainMount = Pick<Mount, 'type' | 'source' | 'options'>;

interface Shown {
  readonly tree: Tree;
  /** Numbers of links, but for directories. */
  readonly links: ReadonlyMap<string, number>;
}

/** The tree that the kernel shows when the mounts are made. */
async function show(mounts: readonly PlainMount[], place: string): Promise<Shown> {
  return await lookMounted(namespace, mounts, place, (root) => {
    const tree = readTree(root);
    const links = new Map<string, number>();
    for (const [path, { type }] of tree)
      if (type !== 'directory') links.set(path, lstatSync(join(root, path)).nlink);
    return { tree, links };
  });
}

const erofs = (source: string, ...options: string[]) => ({
  type: 'erofs',
  source,
  options: ['ro', ...options],
});

/** Compares an overlay of the layers with both forms of the merged image. @returns a difference for each line */
async function compare(archives: readonly Buffer[], refused?: 'end'): Promise<string[]> {
  const { root, paths } = makeLayers(archives, refused);
  if (paths.length === 0) return [];
  try {
    const { image, whole, bytes, wholeBytes } = merge(paths.map((path) => readFileSync(path)));
    expect([image.length, whole.length]).toEqual([bytes, wholeBytes]);
    expect([bytes % 4096, wholeBytes % 4096]).toEqual([0, 0]);
    const [merged, disk, bottom] = ['merged.erofs', 'disk.img', 'bottom'].map((name) => join(root, name));
    writeFileSync(merged!, image);
    writeFileSync(disk!, whole);
    mkdirSync(bottom!);
    const layers = paths.map((path) => erofs(path)).reverse();
    const lowerdir = `lowerdir={{ overlay 0 ${layers.length - 1} }}:${bottom}`;
    const overlay = { type: 'format/overlay', source: 'overlay', options: [lowerdir] };
    const place = join(root, 'mounted');
    const expected = await show([...layers, overlay], place);
    const forms = [
      await show([erofs(merged!, ...paths.map((path) => `device=${path}`))], place),
      await show([erofs(disk!)], place),
    ];
    return forms.flatMap(({ tree, links }) => {
      expect(links).toEqual(expected.links);
      // overlayfs shows the root of the nearest layer, also if that layer does not list it.
      return diffTrees(expected.tree, tree).filter((line) => !line.startsWith('.:'));
    });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('stacks of random layers are the tree of an overlay in both forms', async () => {
  await fc.assert(
    fc.asyncProperty(layerStacks, async (stack) => {
      expect(await compare(buildLayers(stack), 'end')).toEqual([]);
    }),
    { numRuns: Number(process.env['OVERLAYER_STACK_RUNS'] ?? 25) },
  );
});

test('attributes, devices, sparse files and links are those of the layers', async () => {
  const lower = tar(
    dir('./', { mode: 0o750, mtime: 5, xattrs: { 'user.root': 'lower' } }),
    file('one', 'data', { mode: 0o4755, uid: 5, gid: 6, mtime: { base256: -7 }, xattrs: { 'user.a': 'b' } }),
    hardlink('two', 'one'),
    hardlink('hidden', 'one'),
    oldGnuSparse('sparse', 300_000, [
      [512, 'first'],
      [200_000, 'last'],
    ]),
    characterDevice('null', 1, 3),
    dir('opaque'),
    file('opaque/hidden', 'x'),
    symlink('long', 'x/'.repeat(400)),
    file('-', 'before the dot'),
  );
  const upper = tar(
    whiteout('hidden'),
    dir('opaque', { xattrs: { 'user.kept': 'yes' } }),
    opaque('opaque'),
    file('opaque/shown', 'y'),
    file('sparse-not', Buffer.alloc(70_000, 'z')),
  );
  expect(await compare([lower, upper])).toEqual([]);
  const [one, two] = makeLayers([lower, upper]).paths.map((path) => readFileSync(path));
  const { whole, offsets, wholeBytes } = merge([one!, two!]);
  const image = readerOf(whole);
  expect(offsets).toEqual([wholeBytes - one!.length - two!.length, wholeBytes - two!.length]);
  expect(image.root).toMatchObject({ mode: 0o750, mtimeSec: 5 });
  expect(image.xattrs(image.root)).toEqual(new Map([['user.root', new Uint8Array(Buffer.from('lower'))]]));
  expect([...image.xattrs(image.lookup(image.root, 'opaque')!).keys()]).toEqual(['user.kept']);
  const read = Buffer.alloc(10);
  expect(read.toString('utf8', 0, image.read(image.lookup(image.root, 'two')!, read, 0))).toBe('data');
});

test('the bytes are a function of the layers', () => {
  const files = makeLayers([tar(file('a', '1')), tar(file('b', '2'))]).paths.map((path) =>
    readFileSync(path),
  );
  expect(merge(files).image.equals(merge(files).image)).toBe(true);
});

test('as many layers as an overlay can have', async () => {
  const archives = Array.from({ length: 100 }, (_, at) =>
    tar(file(`file-${at}`, String(at)), file('same', String(at))),
  );
  expect(await compare(archives)).toEqual([]);
});

test('a layer whose directories are in themselves is refused', () => {
  const [path] = makeLayers([tar(dir('a'), dir('a/b'))]).paths;
  const bytes = readFileSync(path!);
  const image = readerOf(bytes);
  const a = image.lookup(image.root, 'a')!;
  if (a.layout.kind !== 'plain') throw new Error('a directory has names');
  // The third entry, after "." and "..".
  bytes.writeUInt32LE(a.nid, a.layout.start + 2 * 12);
  expect(() => merge([bytes])).toThrow('a directory has more names than links');
});

test('limits hold', () => {
  const bytes = makeLayers([tar(file('a'), file('b'))]).paths.map((path) => readFileSync(path));
  const layers = bytes.map((each) => ({
    ...{ image: readerOf(each), bytes: each.length, diffID: new Uint8Array(32), inheritsRoot: false },
  }));
  expect(() => mergeErofs(layers, { maxEntries: 2, maxMemory: 1e9 })).toThrow('the limit maxEntries of 2');
  expect(() => mergeErofs(layers, { maxEntries: 9, maxMemory: 100 })).toThrow('the limit maxMemory of 100');
  expect(() => mergeErofs([])).toThrow('Cannot merge 0 layers');
});
