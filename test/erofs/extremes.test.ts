import { closeSync, lstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { oldGnuSparse } from '../helpers/sparse-members.js';
import { dir, file, hardlink, header, tar } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const mounts = useErofsMounts();

/** Mounts the EROFS file of a layer. */
async function withMounted(layer: Uint8Array, use: (path: string, fileBytes: number) => void): Promise<void> {
  await inWorkDirectory(async (at) => {
    await unpackLayer(layer, at('layer.erofs'), { target: 'erofs', sync: false });
    await mounts.at([at('layer.erofs')], (path) => use(path, statSync(at('layer.erofs')).size));
  }, 'disk');
}

test('a directory of 100,000 names is listed, and its names are found', async () => {
  // Names before "." in the order of bytes, between "." and "..", and behind both.
  const names = Array.from(
    { length: 100_000 },
    (_, at) => `${['-', '.!', '.a', '', 'n'.repeat(at % 80)][at % 5]}${at}`,
  );
  const headers = names.map((name) => header({ name: `d/${name}`, type: '6' }));
  await withMounted(tar(dir('d'), ...headers), (path) => {
    const found = readdirSync(join(path, 'd'));
    expect(found.length).toBe(names.length);
    expect(new Set(found)).toEqual(new Set(names));
    for (let at = 0; at < names.length; at += 7) lstatSync(join(path, 'd', names[at]!));
    for (const absent of ['+', '-100001', '~', 'n'.repeat(255)])
      expect(() => lstatSync(join(path, 'd', absent))).toThrow('ENOENT');
  });
});

test('a file with 70,000 names', async () => {
  const links = Array.from({ length: 69_999 }, (_, at) => hardlink(`d/${at}`, 'f'));
  await withMounted(tar(file('f', 'x'), dir('d'), ...links), (path) => {
    const stats = lstatSync(join(path, 'f'));
    expect(stats.nlink).toBe(70_000);
    expect(lstatSync(join(path, 'd/69998')).ino).toBe(stats.ino);
  });
});

test('a sparse file of 6 GiB', async () => {
  const size = 6 * 2 ** 30 + 5;
  const islands = [
    [0, 'begin'],
    [2 ** 32 - 3, 'over 4 GiB'],
    [size - 3, 'end'],
  ] as const;
  await withMounted(tar(oldGnuSparse('large', size, islands), file('next', 'next')), (path, fileBytes) => {
    expect(fileBytes).toBeLessThan(1_000_000);
    const large = join(path, 'large');
    expect(statSync(large).size).toBe(size);
    const descriptor = openSync(large, 'r');
    try {
      for (const [offset, text] of islands) {
        const around = Buffer.alloc(text.length + 20, 'x');
        const begin = Math.max(offset - 10, 0);
        const length = readSync(descriptor, around, 0, around.length, begin);
        const expected = Buffer.alloc(Math.min(around.length, size - begin));
        expected.write(text, offset - begin);
        expect(around.subarray(0, length)).toEqual(expected);
      }
    } finally {
      closeSync(descriptor);
    }
  });
});
