import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';
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
} from '../helpers/tar-builder.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

const many = (directory: string, text: string) =>
  Array.from({ length: 200 }, (_, index) => file(`${directory}/f${index}`, text.repeat(index * 20)));

const REPEATED = tar(dir('again'), file('again/one', 'the same'));

/** What a layer can do to those below, the lowest first. */
const LAYERS: readonly Buffer[] = [
  tar(
    dir('./', { mode: 0o751, uid: 3, gid: 4 }),
    dir('usr', { mode: 0o755 }),
    dir('usr/lib', { mode: 0o2750, gid: 50 }),
    symlink('lib', 'usr/lib'),
    ...many('usr/lib', 'base'),
    file('usr/tool', 'x', { mode: 0o4755, uid: 5, xattrs: { 'user.note': 'kept' } }),
    dir('old'),
    file('old/a', 'a'),
    file('old/b', 'b'),
    dir('hidden'),
    file('hidden/below', 'gone'),
  ),
  // Lists its directories, as most tools do.
  tar(
    dir('opt'),
    ...many('opt', 'next'),
    dir('old'),
    whiteout('old/a'),
    dir('hidden'),
    opaque('hidden'),
    file('hidden/new', 'new'),
  ),
  REPEATED,
  // Goes through a directory, a symlink and a file of lower layers that it does not list.
  tar(file('lib/through', 'through the link'), hardlink('opt/linked', 'usr/tool'), whiteout('old/b')),
  REPEATED,
  tar(),
  tar(characterDevice('opt/null', 1, 3), fifo('opt/pipe'), file('old', 'a file now')),
  tar(dir('./', { mode: 0o755 }), file('top', 'last')),
];

const namespace = useNamespace('root');
let directory: string;
let expected: Tree;

beforeAll(() => {
  directory = namespace.directory();
  const compressed = LAYERS.map((layer, index) => (index % 2 === 0 ? gzipSync(layer) : layer));
  writeFiles(join(directory, 'layout'), layoutFiles({}, compressed));
  execFileSync(
    'umoci',
    ['unpack', '--image', `${join(directory, 'layout')}:sample:1`, join(directory, 'bundle')],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  expected = readTree(join(directory, 'bundle/rootfs'));
});

/** Which names are one file is left out: overlayfs copies a lower file up to link it. */
function differences(found: Tree): string[] {
  return diffTrees(expected, found, ['linkOf']);
}

/** Imports, and mounts. @returns the process in whose namespace it is seen */
async function importAndMount(
  { overlayer, fs, path }: Inside,
  directory: string,
  backend: 'overlay' | 'native',
  concurrency: number,
): Promise<{ pid: number; damaged: boolean }> {
  const root = path.join(directory, `${backend}-${concurrency}`);
  const target = path.join(root, 'mnt');
  fs.mkdirSync(target, { recursive: true });
  const store = await overlayer.openStore({ root, backend });
  const [image] = await store.import(path.join(directory, 'layout'), { concurrency });
  const { damaged } = await store.snapshots.check();
  await image!.mount(target);
  await store.close();
  return { pid: process.pid, damaged };
}

describe.each([
  ['overlay', 1],
  ['overlay', 4],
  ['native', 4],
] as const)('imported with backend %s, %i layers at once', (backend, concurrency) => {
  test('the merged tree is what umoci makes of it; check finds nothing', async () => {
    const { pid, damaged } = await namespace.inside.run(importAndMount, directory, backend, concurrency);
    const target = join(directory, `${backend}-${concurrency}`, 'mnt');
    expect(differences(readTree(join(`/proc/${pid}/root`, target)))).toEqual([]);
    expect(damaged).toBe(false);
  });
});

test('unpacked without a store, it is the same tree', async () => {
  const target = join(directory, 'unpacked');
  await namespace.inside.run(
    async ({ overlayer }, layout, destination) => {
      const source = await overlayer.openImageLayout(layout);
      await overlayer.unpackImage(source, destination);
      await source.close();
    },
    join(directory, 'layout'),
    target,
  );
  expect(differences(readTree(target))).toEqual([]);
});

test('unpacked as one EROFS file for each layer, and mounted, it is the same tree', async () => {
  const target = join(directory, 'files');
  const mounted = await namespace.inside.run(
    async ({ overlayer, path, fs, child }, layout, destination) => {
      const source = await overlayer.openImageLayout(layout);
      const { files = [] } = await overlayer.unpackImage(source, destination, { target: 'erofs' });
      await source.close();
      const run = (...args: readonly string[]) => void child.execFileSync('mount', args);
      const lowers = files.map((file, index) => {
        const place = path.join(`${destination}-mounts`, String(index));
        fs.mkdirSync(place, { recursive: true });
        run('-t', 'erofs', path.join(destination, file), place);
        return place;
      });
      const view = `${destination}-view`;
      fs.mkdirSync(view);
      run('-t', 'overlay', 'overlay', '-o', `lowerdir=${lowers.reverse().join(':')}`, view);
      return { view, pid: process.pid, files, names: fs.readdirSync(destination) };
    },
    join(directory, 'layout'),
    target,
  );
  const { view, pid, files, names } = mounted;
  expect(names.sort()).toEqual(files);
  const digests = LAYERS.map((layer) => createHash('sha256').update(layer).digest('hex'));
  expect(files).toEqual(digests.map((digest, index) => `0${index}-${digest}.erofs`));
  expect(differences(readTree(join(`/proc/${pid}/root`, view)))).toEqual([]);
});
