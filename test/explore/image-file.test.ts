import { readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  type ExploreOptions,
  type ExploreSource,
  openImageArchive,
  openImageLayout,
  readImageFile,
} from '../../src/index.js';
import { archiveOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, fifo, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

async function read(source: ExploreSource, path: string, options: ExploreOptions = {}): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readImageFile(source, path, options)) chunks.push(chunk);
  return String(Buffer.concat(chunks));
}

/** Reads a file of an image in memory. */
async function cat(layers: readonly Uint8Array[], path: string, options?: ExploreOptions): Promise<string> {
  let found = '';
  await inWorkDirectory(async (at) => {
    await using source = await openImageArchive(archiveOf(layoutFiles({}, layers)), { scratch: at('') });
    found = await read(source, path, options);
  });
  return found;
}

const failure = (code: string, message: string, hint: unknown = expect.any(String)) => ({
  code,
  message: expect.stringContaining(message),
  hint,
});

describe('a file', () => {
  test('is that of the highest layer', async () => {
    const layers = [tar(file('a', '1'), file('b', '2')), tar(file('a', '3'))];
    expect(await cat(layers, 'a')).toBe('3');
    expect(await cat(layers, '/b')).toBe('2');
    expect(await cat(layers, './../b')).toBe('2');
  });

  test('that its layer lists twice is the last one', async () => {
    expect(await cat([tar(file('a', 'first'), file('a', '2'))], 'a')).toBe('2');
  });

  test('of more than a mebibyte leaves no temporary file', async () => {
    const content = 'x'.repeat(2_500_000);
    expect(await cat([gzipSync(tar(file('big', content)))], 'big')).toBe(content);
    expect(readdirSync(tmpdir()).filter((name) => /^overlayer-[0-9a-f]{8}-/.test(name))).toEqual([]);
  });

  test('without bytes gives none', async () => {
    expect(await cat([tar(file('empty'))], 'empty')).toBe('');
  });

  test('comes through symlinks of other layers, inside the root', async () => {
    const layers = [
      tar(dir('usr'), dir('usr/lib'), file('usr/lib/release', 'v1'), symlink('lib', '/../usr/lib')),
      tar(dir('etc'), symlink('etc/release', '../../../lib/release')),
      tar(dir('other')),
    ];
    expect(await cat(layers, 'etc/release')).toBe('v1');
    expect(await cat([...layers, tar(file('usr/lib/release', 'v2'))], 'etc/release')).toBe('v2');
  });

  test('comes through hard links, as the layer of the link has it', async () => {
    const layers = [
      tar(file('a', 'old'), hardlink('b', 'a'), hardlink('c', 'b')),
      tar(file('a', 'new'), whiteout('b')),
    ];
    expect(await cat(layers, 'c')).toBe('old');
    expect(await cat([...layers, tar(hardlink('d', 'c'))], 'd')).toBe('old');
  });
});

describe('there is no file', () => {
  const layers = [
    tar(dir('d'), file('d/a', '1'), file('gone/a', '1'), file('under/a', '1'), fifo('pipe')),
    tar(whiteout('gone'), dir('under'), opaque('under'), symlink('loop', 'pool'), symlink('pool', 'loop')),
  ];

  test.each(['none', 'gone/a', 'under/a', 'd/none', 'gone'])('at %s', async (path) => {
    await expect(cat(layers, path)).rejects.toMatchObject(failure('NotFound', `There is no "${path}"`));
  });

  test('in a directory, a device, a loop', async () => {
    await expect(cat(layers, 'd')).rejects.toMatchObject(
      failure('InvalidArgument', 'Cannot read "d": it is a directory'),
    );
    await expect(cat(layers, '/')).rejects.toMatchObject(failure('InvalidArgument', 'it is a directory'));
    await expect(cat(layers, 'pipe')).rejects.toMatchObject(failure('InvalidArgument', 'it is a fifo'));
    await expect(cat(layers, 'd/a/x')).rejects.toMatchObject(
      failure('InvalidArgument', 'Cannot read "d/a/x": it leads to "d/a", and it is no directory'),
    );
    await expect(cat(layers, 'loop')).rejects.toMatchObject(failure('InvalidArgument', 'more than 40 links'));
  });

  test('behind a hard link to nothing', async () => {
    await expect(cat([tar(hardlink('h', 'h'))], 'h')).rejects.toMatchObject(
      failure('NotFound', '"h" does not exist'),
    );
  });
});

describe('verification', () => {
  test.each([3, 2_000_000])('a damaged layer gives no byte of %i', async (length) => {
    await inWorkDirectory(async (at) => {
      const layer = gzipSync(tar(file('a', 'x'.repeat(length))));
      const layout = writeFiles(at('layout'), layoutFiles({}, [layer]));
      writeFileSync(`${layout}/blobs/sha256/${sha256(layer)}`, gzipSync(tar(file('a', 'y'.repeat(length)))));
      await using source = await openImageLayout(layout);
      let given = 0;
      const loop = async () => {
        for await (const chunk of readImageFile(source, 'a')) given += chunk.length;
      };
      await expect(loop()).rejects.toMatchObject({ code: 'DataLoss' });
      expect(given).toBe(0);
    });
  });
});

describe('a stream of a layer', () => {
  async function* stream(layer: Uint8Array): AsyncGenerator<Uint8Array> {
    yield layer;
  }

  test('gives a file', async () => {
    expect(await read(stream(tar(file('a', '1'))), 'a')).toBe('1');
  });

  test('cannot be read again for a link', async () => {
    const layer = tar(file('a', '1'), symlink('s', 'a'));
    expect(await read(layer, 's')).toBe('1');
    await expect(read(stream(layer), 's')).rejects.toMatchObject(
      failure('FailedPrecondition', 'Cannot read "s": it leads to "a"'),
    );
  });
});

test('an option that does not exist is refused', async () => {
  const options = { plattform: 'x' } as ExploreOptions;
  await expect(read(tar(file('a')), 'a', options)).rejects.toMatchObject({ code: 'InvalidArgument' });
});
