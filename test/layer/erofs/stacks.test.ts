import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OverlayerError } from '../../../src/index.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import { AT_FDCWD, O } from '../../../src/system/system.js';
import { applyLayer } from '../../helpers/apply-layer.js';
import { makeErofsLayer } from '../../helpers/erofs-layer.js';
import { MountNamespace } from '../../helpers/mount-namespace.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../../helpers/tar-builder.js';
import { diffTrees, readTree } from '../../helpers/tree.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

let namespace: MountNamespace;
beforeAll(async () => {
  namespace = await MountNamespace.start('root');
});
afterAll(() => namespace.close());

/** The code of an error; undefined without one. */
function codeOf(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (OverlayerError.is(error)) return error.code;
    throw error;
  }
}

/** Unpacks into overlay form, as the apply thread does. @param lowers paths, nearest first */
function unpackOverlay(path: string, layer: Uint8Array, lowers: readonly string[]): void {
  const system = openLinuxSystem();
  const open = lowers.map((lower) => system.openAt(AT_FDCWD, lower, O.RDONLY | O.DIRECTORY, 0));
  try {
    applyLayer(system, path, { layer, target: 'overlay', lowers: open });
  } finally {
    for (const descriptor of open) system.close(descriptor);
  }
}

/** Puts a stack on disk in both forms. @returns a difference of the two mounts for each line */
async function compare(root: string, layers: readonly Buffer[]): Promise<string[]> {
  const uppers: string[] = [];
  const images: string[] = [];
  for (const [number, layer] of layers.entries()) {
    const upper = join(root, `upper-${number}`);
    const image = join(root, `layer-${number}.erofs`);
    const code = codeOf(() => unpackOverlay(upper, layer, uppers));
    expect(codeOf(() => writeFileSync(image, makeErofsLayer(layer, { lowers: uppers }).bytes))).toBe(code);
    if (code !== undefined) break;
    const onImages = makeErofsLayer(layer, { lowers: images }).bytes;
    expect(onImages.equals(readFileSync(image)), 'layer files as lowers give the same bytes').toBe(true);
    uppers.unshift(upper);
    images.unshift(image);
  }
  if (uppers.length === 0) return [];
  const places = images.map((_, number) => join(root, `erofs-${number}`));
  for (const place of places) mkdirSync(place);
  await namespace.run(images.map((image, at) => `mount -t erofs -o ro ${image} ${places[at]}`).join(' && '));
  const overlays = [await namespace.mountOverlay(root, uppers), await namespace.mountOverlay(root, places)];
  try {
    return diffTrees(readTree(overlays[0]!), readTree(overlays[1]!));
  } finally {
    for (const overlay of overlays) await namespace.unmount(overlay);
    await namespace.run(`umount ${places.join(' ')}`);
  }
}

test('what a layer takes from lower ones', async () => {
  const root = makeWorkDirectory('disk');
  const look = {
    mode: 0o4751,
    uid: 5,
    gid: 6,
    mtime: 1_000_000,
    xattrs: { 'user.a': 'b', 'trusted.c': 'd' },
  };
  const base = tar(
    ...[dir('.', { ...look, mode: 0o1711 }), dir('d', look), file('d/f', 'content'.repeat(1000), look)],
    ...[
      symlink('d/l', 'f', { uid: 5, xattrs: { 'trusted.a': 'b' } }),
      fifo('d/p', look),
      file('d/empty', '', look),
    ],
    ...[
      characterDevice('d/c', 5, 70_000, { uid: 7 }),
      dir('d/e', look),
      file('d/e/g', 'y'),
      dir('gone'),
      file('x/y', 'z'),
    ],
  );
  const middle = tar(dir('d', look), dir('d/deep', look), file('d/deep/f', 'x'), whiteout('gone'));
  const upper = tar(
    // Targets in a lower layer, and in a copy of one.
    ...['f', 'l', 'p', 'empty', 'c'].map((name) => hardlink(`linked-${name}`, `d/${name}`)),
    ...[
      hardlink('again', 'linked-f'),
      hardlink('d/f', 'd/f'),
      hardlink('d/e/copy', 'd/e/g'),
      whiteout('d/e/g'),
    ],
    // Directories without an entry have a lower one's attributes, or their own.
    ...[file('d/deep/new', 'x'), file('gone/new', 'x'), file('x/new/new', 'x'), whiteout('nowhere/n')],
  );
  expect(await compare(root, [base, middle, upper])).toEqual([]);
  expect(
    await compare(makeWorkDirectory('disk'), [base, tar(opaque(''), file('d/new', 'x'), whiteout('x'))]),
  ).toEqual([]);
  rmSync(root, { recursive: true });
});

// The path a/a led through the lower symlink to b/a. Making b on the way must not forget that.
test('a directory in place of a lower symlink that an earlier entry followed', async () => {
  const root = makeWorkDirectory('disk');
  const layers = [
    tar(file('b/a', 'x')),
    tar(symlink('a', '/b')),
    tar(whiteout('a/a'), dir('a'), file('a/a', 'y')),
  ];
  expect(await compare(root, layers)).toEqual([]);
  rmSync(root, { recursive: true });
});
