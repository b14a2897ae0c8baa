import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OverlayerError, openStore, type Store } from '../../src/index.js';
import { MAIN } from '../cli/helpers.js';
import { archiveOf, layoutFiles } from '../helpers/hand-made-image.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, hardlink, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const namespace = useNamespace('root');
const work = makeWorkDirectory('disk');
const at = (name: string) => join(work, name);
let store: Store;
let archive: ReturnType<typeof archiveOf>;

beforeAll(async () => {
  const layers = [
    tar(
      dir('./', { mode: 0o755 }),
      dir('etc'),
      file('etc/base', 'base'),
      file('etc/gone', ''),
      dir('d'),
      file('d/x', 'x'),
    ),
    gzipSync(tar(whiteout('etc/gone'), dir('d'), opaque('d'), file('d/y', 'y'.repeat(9000)))),
    tar(hardlink('link', 'etc/base')),
  ];
  store = await openStore({ root: at('store'), backend: 'native' });
  archive = archiveOf(layoutFiles({}, layers));
  await store.import(archive, { name: 'app:1' });
});
afterAll(async () => {
  await store.close();
  rmSync(work, { recursive: true });
});

test('a disk shows the root filesystem of the image, also through a loop device', async () => {
  const image = await store.images.get('app:1');
  const { size, offsets } = await image.writeDisk(at('app.img'));
  expect([size, size % 4096, offsets.length]).toEqual([readFileSync(at('app.img')).length, 0, 3]);
  await image.unpackTo(at('rootfs'));
  const expected = readTree(at('rootfs'));
  for (const form of ['file', 'loop'] as const) {
    await namespace.inside.run(
      async ({ overlayer, child, fs }, disk, target, how) => {
        fs.mkdirSync(target, { recursive: true });
        if (how === 'loop') child.execFileSync('mount', ['-t', 'erofs', '-o', 'ro,loop', disk, target]);
        else await overlayer.mountAll([{ type: 'erofs', source: disk, options: ['ro'] }], target);
      },
      at('app.img'),
      at('mounted'),
      form,
    );
    expect(diffTrees(expected, readTree(namespace.inside.view(at('mounted'))))).toEqual([]);
    await namespace.inside.run(
      async ({ overlayer }, target) => await overlayer.unmountAll(target),
      at('mounted'),
    );
  }
});

test('a store of layer files gives the same disk', async () => {
  await using other = await openStore({ root: at('erofs-store'), backend: 'erofs' });
  await other.import(archive, { name: 'app:1' });
  await (await other.images.get('app:1')).writeDisk(at('erofs.img'), { sync: false });
  await (await store.images.get('app:1')).writeDisk(at('native.img'), { sync: false });
  expect(readFileSync(at('erofs.img')).equals(readFileSync(at('native.img')))).toBe(true);
});

test('the same image gives the same bytes, and an existing file stays', async () => {
  const image = await store.images.get('app:1');
  await image.writeDisk(at('one.img'), { sync: false });
  await image.writeDisk(at('two.img'), { sync: false });
  expect(readFileSync(at('one.img')).equals(readFileSync(at('two.img')))).toBe(true);
  expect((await failureOf(image.writeDisk(at('one.img')))).code).toBe('AlreadyExists');
  expect(readFileSync(at('one.img')).equals(readFileSync(at('two.img')))).toBe(true);
});

test('a failure and an abort leave nothing', async () => {
  const image = await store.images.get('app:1');
  writeFileSync(at('one'), '');
  const before = readdirSync(work);
  const errors: OverlayerError[] = [await failureOf(image.writeDisk(at('none/app.img')))];
  expect(errors.map(({ code }) => code)).toEqual(['NotFound']);
  const options = { signal: AbortSignal.abort('enough') };
  await expect(image.writeDisk(at('none.img'), options)).rejects.toBe('enough');
  expect(readdirSync(work)).toEqual(before);
  for await (const { name, kind } of store.snapshots.walk()) expect(kind, name).toBe('committed');
});

test('a killed process leaves nothing that a cleanup does not remove', async () => {
  const before = readdirSync(work);
  const snapshots = at('store/snapshots');
  const watcher = watch(snapshots);
  const begun = once(watcher, 'change');
  const args = [MAIN, 'images', 'disk', 'app:1', at('killed.img'), '--root', at('store')];
  const child = spawn(process.execPath, args);
  const ended = once(child, 'exit');
  await begun;
  child.kill('SIGKILL');
  await ended;
  watcher.close();
  await store.snapshots.cleanup();
  expect(readdirSync(work)).toEqual(before);
  expect(readdirSync(snapshots).filter((name) => name.startsWith('new-'))).toEqual([]);
});
