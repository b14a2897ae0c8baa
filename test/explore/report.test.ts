import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  compareExplored,
  type ExploredImage,
  type ExploreOptions,
  exploreImage,
  openImageLayout,
} from '../../src/index.js';
import {
  configOf,
  describe as descriptorOf,
  json,
  layoutFiles,
  writeFiles,
} from '../helpers/hand-made-image.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const MEDIA_TYPE = 'application/vnd.oci.image.layer.v1.tar';

async function explored(
  layers: readonly Uint8Array[],
  { config = configOf(layers), ...options }: ExploreOptions & { readonly config?: Buffer } = {},
): Promise<ExploredImage> {
  let image: ExploredImage | undefined;
  await inWorkDirectory(async (at) => {
    await using source = await openImageLayout(writeFiles(at('layout'), layoutFiles({}, layers, config)));
    image = await exploreImage(source, options);
  });
  return image!;
}

/** Content of some bytes that no other has. */
const bytes = (length: number, letter = 'x') => letter.repeat(length);

describe('sizes', () => {
  test('a file that a later layer writes again is hidden in the lower one', async () => {
    const image = await explored([
      tar(file('a', bytes(100)), file('b', bytes(7, 'b'))),
      tar(file('a', bytes(120, 'y'))),
    ]);
    expect(image).toMatchObject({ entries: 2, size: 127, layerBytes: 227, wastedBytes: 100 });
    expect(image.layers).toMatchObject([
      { fileBytes: 107, hiddenBytes: 100, added: 2, changed: 0, removed: 0 },
      { fileBytes: 120, hiddenBytes: 0, added: 0, changed: 1, removed: 0 },
    ]);
    expect(image.waste()).toEqual([
      { kind: 'replaced', path: 'a', copies: [], files: 1, bytes: 100, layers: [0], by: 1 },
    ]);
  });

  test('a removed directory is one item of waste, of the layer that removes it', async () => {
    const image = await explored([
      tar(dir('d'), file('d/a', bytes(10)), file('d/e/b', bytes(5, 'b')), file('k', bytes(1))),
      tar(file('d/e/c', bytes(3, 'c'))),
      tar(whiteout('d')),
    ]);
    expect(image).toMatchObject({ size: 1, wastedBytes: 18 });
    expect(image.waste()).toEqual([
      { kind: 'removed', path: 'd', copies: [], files: 3, bytes: 18, layers: [0, 1], by: 2 },
    ]);
    expect(image.layers[2]).toMatchObject({ added: 0, changed: 0, removed: 5 });
  });

  test('an opaque directory hides what was in it', async () => {
    const image = await explored([
      tar(dir('d'), file('d/a', bytes(10))),
      tar(dir('d'), opaque('d'), file('d/b', bytes(2, 'b'))),
    ]);
    expect(image.waste()).toMatchObject([{ kind: 'removed', path: 'd/a', bytes: 10, by: 1 }]);
  });

  test('a name that a layer lists twice costs its first file', async () => {
    const image = await explored([tar(file('a', bytes(30)), file('a', bytes(2, 'b')))]);
    expect(image).toMatchObject({ size: 2, wastedBytes: 30 });
    expect(image.waste()).toMatchObject([{ kind: 'replaced', path: 'a', bytes: 30, layers: [0], by: 0 }]);
  });

  test('a hard link has no bytes of its own, and keeps the file', async () => {
    const image = await explored([tar(file('a', bytes(50)), hardlink('b', 'a')), tar(whiteout('a'))]);
    expect(image).toMatchObject({ entries: 1, size: 50, wastedBytes: 0 });
    expect([...image.files()]).toMatchObject([{ path: 'b', size: 50, linkTo: undefined, layer: 0 }]);
    expect(image.waste()).toEqual([]);
  });

  test('directories have the bytes and the entries below them', async () => {
    const image = await explored([tar(file('a/b/one', bytes(3)), file('a/two', bytes(4, 'y')))]);
    expect(image.directories()).toEqual([
      { path: '', bytes: 7, entries: 4 },
      { path: 'a', bytes: 7, entries: 3 },
      { path: 'a/b', bytes: 3, entries: 1 },
    ]);
  });
});

describe('waste', () => {
  test('files with the same content are duplicates, in the order of their bytes', async () => {
    const image = await explored([
      tar(file('a', bytes(10)), file('b', bytes(10)), file('c', bytes(99, 'c'))),
      tar(file('d', bytes(10)), file('e', bytes(99, 'c')), file('f', bytes(10, 'z'))),
    ]);
    expect(image.waste()).toEqual([
      { kind: 'duplicate', path: 'c', copies: ['e'], files: 1, bytes: 99, layers: [1], by: undefined },
      {
        kind: 'duplicate',
        path: 'a',
        copies: ['b', 'd'],
        files: 2,
        bytes: 20,
        layers: [0, 1],
        by: undefined,
      },
    ]);
  });

  test('caches of package managers', async () => {
    const image = await explored([
      tar(
        file('var/cache/apt/pkgcache.bin', bytes(8)),
        file('var/lib/apt/lists/debian', bytes(4, 'y')),
        file('etc/apt/sources.list', bytes(2, 'z')),
      ),
    ]);
    expect(image.waste()).toMatchObject([
      { kind: 'package-cache', path: 'var/cache/apt', bytes: 8 },
      { kind: 'package-cache', path: 'var/lib/apt/lists', bytes: 4 },
    ]);
  });
});

test("the efficiency is dive's: the smallest size of each path by the sum of all its sizes", async () => {
  const image = await explored([
    tar(file('again', bytes(10)), file('gone', bytes(20, 'g')), file('stays', bytes(30, 's'))),
    tar(file('again', bytes(40, 'y')), whiteout('gone')),
  ]);
  // again: 10 of 10 + 40. gone: 20 of 20 + 20. stays: 30 of 30.
  expect(image.efficiency).toBeCloseTo(60 / 120);
  expect((await explored([tar(dir('d'))])).efficiency).toBe(1);
});

test('the history of a path is what each layer did to it', async () => {
  const image = await explored([
    tar(file('d/a', bytes(10))),
    tar(file('d/a', bytes(10), { mode: 0o600 })),
    tar(whiteout('d/a')),
    tar(symlink('d/a', 'b')),
  ]);
  expect(image.history('/d/a')).toEqual([
    { layer: 0, kind: 'added', type: 'file', sizeBefore: 0, sizeAfter: 10, metadataOnly: false },
    { layer: 1, kind: 'changed', type: 'file', sizeBefore: 10, sizeAfter: 10, metadataOnly: true },
    { layer: 2, kind: 'removed', type: 'file', sizeBefore: 10, sizeAfter: 0, metadataOnly: false },
    { layer: 3, kind: 'added', type: 'symlink', sizeBefore: 0, sizeAfter: 0, metadataOnly: false },
  ]);
  expect(image.history('none')).toEqual([]);
});

test('a directory that a layer only lists is no change', async () => {
  const image = await explored([tar(dir('d'), file('d/a')), tar(dir('d'), file('d/b'))]);
  expect(image.changes(1)).toMatchObject([{ kind: 'added', path: 'd/b' }]);
  expect(() => image.changes(2)).toThrow(/no layer 2/);
});

test('layers have the commands of the history, without the steps that made none', async () => {
  const layers = [tar(file('a')), tar(file('b'))];
  const config = {
    ...JSON.parse(configOf(layers).toString()),
    history: [{ created_by: 'ADD a' }, { created_by: 'ENV b', empty_layer: true }, { created_by: 'ADD c' }],
  };
  const image = await explored(layers, { config: json(config) });
  expect(image.layers.map(({ command }) => command)).toEqual(['ADD a', 'ADD c']);
  expect(image.layers.map(({ digest }) => digest)).toEqual(
    layers.map((layer) => descriptorOf(MEDIA_TYPE, layer).digest),
  );
});

test('setuid and setgid files are listed', async () => {
  const image = await explored([
    tar(file('su', '', { mode: 0o4755 }), file('wall', '', { mode: 0o2755 }), dir('d', { mode: 0o2755 })),
  ]);
  expect(image.setuid).toEqual(['su', 'wall']);
});

test('two images are compared: contents, and metadata', async () => {
  const [before, after] = await Promise.all([
    explored([tar(file('same', 's'), file('gone', 'g'), file('new-mode', 'n'), file('new-bytes', 'old'))]),
    explored([
      tar(file('same', 's'), file('new-mode', 'n', { mode: 0o600 })),
      gzipSync(tar(file('new-bytes', 'n'), file('added', 'more'))),
    ]),
  ]);
  const file_ = { type: 'file', metadataOnly: false };
  expect(compareExplored(before, after)).toEqual([
    { ...file_, kind: 'added', path: 'added', sizeBefore: 0, sizeAfter: 4 },
    { ...file_, kind: 'removed', path: 'gone', sizeBefore: 1, sizeAfter: 0 },
    { ...file_, kind: 'changed', path: 'new-bytes', sizeBefore: 3, sizeAfter: 1 },
    { ...file_, kind: 'changed', path: 'new-mode', sizeBefore: 1, sizeAfter: 1, metadataOnly: true },
  ]);
  expect(compareExplored(before, before)).toEqual([]);
});

describe('refused', () => {
  test('a layer with another digest', async () => {
    const layers = [tar(file('a', 'a'))];
    const { digest } = descriptorOf(MEDIA_TYPE, layers[0]!);
    await inWorkDirectory(async (at) => {
      const changes = { [`blobs/${digest.replace(':', '/')}`]: tar(file('a', 'b')) };
      await using source = await openImageLayout(writeFiles(at('layout'), layoutFiles(changes, layers)));
      await expect(exploreImage(source)).rejects.toMatchObject({ code: 'DataLoss', expected: digest });
    });
  });

  test('more entries than maxMemory has room for, in all layers together', async () => {
    const layer = (letter: string) => tar(...Array.from({ length: 40 }, (_, at) => file(`${letter}${at}`)));
    const maxMemory = 40 * 150; // 150 bytes for an entry of a layer

    await expect(explored([layer('a')], { limits: { maxMemory } })).resolves.toMatchObject({ entries: 40 });
    await expect(explored([layer('a'), layer('b')], { limits: { maxMemory } })).rejects.toMatchObject({
      code: 'ResourceExhausted',
      message: expect.stringContaining('maxMemory'),
    });
  });

  test('an aborted signal', async () => {
    const reason = new Error('enough');
    await expect(explored([tar(file('a'))], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});
