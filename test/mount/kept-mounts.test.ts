import { linkSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { smallErofs } from '../helpers/small-erofs.js';

const namespace = useNamespace('root');

/** Layers of which each has a file with its name. They are on disk, where inode numbers are used again at once. */
function makeLayers(...names: readonly string[]) {
  const root = namespace.directory('disk');
  const files = names.map((name) => join(root, name));
  for (const [at, file] of files.entries()) writeFileSync(file, smallErofs({ [names[at]!]: '' }));
  return { files, directory: join(root, 'mounted') };
}

/**
 * Holds each list of files with an object of its own, all at once.
 *
 * @returns the files in each place, of each list
 */
function hold(directory: string, ...lists: readonly (readonly string[])[]): Promise<string[][][]> {
  return namespace.inside.run(
    async ({ load, fs }, directory, lists) => {
      const { KeptMounts } =
        await load<typeof import('../../src/mount/kept-mounts.js')>('mount/kept-mounts.js');
      const held = lists.map((files) =>
        new KeptMounts(directory, () => []).hold(
          files.map((source) => ({ type: 'erofs', source, options: ['ro'] })),
        ),
      );
      return (await Promise.all(held)).map((places) => places.map((place) => fs.readdirSync(place)));
    },
    directory,
    lists.map((files) => [...files]),
  );
}

/** Unmounts all but `used`. @returns how many were unmounted, and why others were not */
function sweep(directory: string, used: readonly string[]): Promise<{ unmounted: number; failed: string[] }> {
  return namespace.inside.run(
    async ({ load }, directory, used) => {
      const { KeptMounts } =
        await load<typeof import('../../src/mount/kept-mounts.js')>('mount/kept-mounts.js');
      const { unmounted, failed } = await new KeptMounts(directory, () => used).sweep();
      return { unmounted: unmounted.length, failed: failed.map(({ error }) => String(error)) };
    },
    directory,
    [...used],
  );
}

/** Mounts at and below the directory. */
function mounted(directory: string): Promise<string[]> {
  return namespace.inside.run(async ({ load }, directory) => {
    const { readMountInfo } =
      await load<typeof import('../../src/system/mountinfo.js')>('system/mountinfo.js');
    return readMountInfo()
      .map(({ mountPoint }) => mountPoint)
      .filter((path) => path.startsWith(`${directory}/`));
  }, directory);
}

test('each file is mounted once, read-only', async () => {
  const { directory, files } = makeLayers('base', 'next');
  expect(await hold(directory, files)).toEqual([[['base'], ['next']]]);
  expect(await hold(directory, [...files].reverse())).toEqual([[['next'], ['base']]]);
  expect(await mounted(directory)).toHaveLength(2);
});

test('hard links share a mount, also when they are held at once', async () => {
  const { directory, files } = makeLayers('base', 'next');
  const link = join(directory, '..', 'link');
  linkSync(files[0]!, link);
  const lists = Array.from({ length: 8 }, () => [files[0]!, files[1]!, link]);
  expect(await hold(directory, ...lists)).toEqual(lists.map(() => [['base'], ['next'], ['base']]));
  expect(await mounted(directory)).toHaveLength(2);
});

test('what is unused is unmounted, and nothing stays of it', async () => {
  const { directory, files } = makeLayers('base', 'next', 'last');
  await hold(directory, files);
  const link = join(directory, '..', 'link');
  linkSync(files[0]!, link);
  rmSync(files[0]!);
  expect(await sweep(directory, [link, files[1]!])).toEqual({ unmounted: 1, failed: [] });
  expect(await hold(directory, [link, files[1]!])).toEqual([[['base'], ['next']]]);
  expect(await sweep(directory, [])).toEqual({ unmounted: 2, failed: [] });
  expect(await mounted(directory)).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
});

test('a mount whose files are open is unmounted, and the files stay readable', async () => {
  const { directory, files } = makeLayers('base');
  const text = await namespace.inside.run(
    async ({ load, fs, path }, directory, file) => {
      const { KeptMounts } =
        await load<typeof import('../../src/mount/kept-mounts.js')>('mount/kept-mounts.js');
      const kept = new KeptMounts(directory, () => []);
      const [place] = await kept.hold([{ type: 'erofs', source: file, options: ['ro'] }]);
      const open = fs.openSync(path.join(place!, 'base'), 'r');
      fs.rmSync(file);
      await kept.sweep();
      const size = fs.fstatSync(open).size;
      fs.closeSync(open);
      return size;
    },
    directory,
    files[0]!,
  );
  expect(text).toBe(0);
  expect(await mounted(directory)).toEqual([]);
});

test('after a failure nothing is left that was not there', async () => {
  const { directory, files } = makeLayers('base', 'next', 'broken');
  writeFileSync(files[2]!, 'no EROFS file');
  await hold(directory, [files[0]!]);
  const error = await failureOf(hold(directory, files));
  expect(error.message).toContain(directory);
  expect(await mounted(directory)).toHaveLength(1);
  expect(readdirSync(directory)).toHaveLength(1);
  expect(await failureOf(hold(directory, [join(directory, 'missing')]))).toMatchObject({ code: 'NotFound' });
  expect(await hold(directory, [files[1]!, files[0]!])).toEqual([[['next'], ['base']]]);
});

test('directories that lost their mount, by a reboot or by umount, are used again', async () => {
  const { directory, files } = makeLayers('base', 'next');
  await hold(directory, files);
  await namespace.inside.run(({ child }, directory) => {
    child.execSync(`umount ${directory}/*`);
  }, directory);
  expect(await hold(directory, [files[0]!])).toEqual([[['base']]]);
  expect(await sweep(directory, [files[0]!])).toEqual({ unmounted: 0, failed: [] });
  expect(readdirSync(directory)).toHaveLength(1);
});

test('what is not a mount is left alone', async () => {
  const { directory, files } = makeLayers('base');
  mkdirSync(join(directory, '1-1', 'kept'), { recursive: true });
  writeFileSync(join(directory, 'note'), '');
  await hold(directory, files);
  const { unmounted, failed } = await sweep(directory, []);
  expect({ unmounted, failed }).toEqual({ unmounted: 1, failed: [expect.stringContaining('not empty')] });
  expect(readdirSync(directory).sort()).toEqual(['1-1', 'note']);
});

test('the file at a place is found, also by a process that did not mount it', async () => {
  const { directory, files } = makeLayers('base', 'next');
  const found = await namespace.inside.run(
    async ({ load }, directory, files) => {
      const { KeptMounts } =
        await load<typeof import('../../src/mount/kept-mounts.js')>('mount/kept-mounts.js');
      const [first, second] = [
        new KeptMounts(directory, () => []),
        new KeptMounts(directory, () => ['missing', ...files]),
      ];
      const [place] = await first.hold([{ type: 'erofs', source: files[1]!, options: ['ro'] }]);
      const places = [place!, `${directory}/1`, `${directory}/../1`, '/'];
      return [first, second].map((kept) => places.map((path) => kept.fileAt(path) ?? ''));
    },
    directory,
    [...files],
  );
  expect(found).toEqual([
    [files[1], '', '', ''],
    [files[1], '', '', ''],
  ]);
});

test('empty directories with the names of earlier versions are removed', async () => {
  const { directory } = makeLayers();
  for (const name of ['123', '123-0123456789abcdef']) mkdirSync(join(directory, name), { recursive: true });
  expect(await sweep(directory, [])).toEqual({ unmounted: 0, failed: [] });
  expect(readdirSync(directory)).toEqual([]);
});
