import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { NamespaceProcess, useNamespace } from '../helpers/namespace-process.js';
import { smallErofs } from '../helpers/small-erofs.js';

const namespace = useNamespace('root');

/** A store with layers that each have a file with their name, and targets for containers. */
function makeStore(names: readonly string[], containers: readonly string[]) {
  const root = namespace.directory('disk');
  const shared = join(root, 'shared-mounts');
  const layers = names.map((name): Mount => {
    const source = join(root, `${name}.erofs`);
    writeFileSync(source, smallErofs({ [name]: name }));
    return { type: 'erofs', source, options: ['ro'], sharedIn: shared };
  });
  for (const name of containers)
    for (const part of ['target', 'upper', 'work']) mkdirSync(join(root, name, part), { recursive: true });
  const target = (name: string) => join(root, name, 'target');
  const rest = layers.length === 1 ? '{{ mount 0 }}' : `{{ overlay 0 ${layers.length - 1} }}`;
  const container = (name: string): Mount[] => [
    ...layers,
    {
      type: 'format/overlay',
      source: 'overlay',
      options: [
        `workdir=${join(root, name, 'work')}`,
        `upperdir=${join(root, name, 'upper')}`,
        `lowerdir=${rest}`,
      ],
    },
  ];
  return { root, shared, layers, target, container };
}

/** Mounts, and looks. */
function mount(mounts: readonly Mount[], target: string, inside = namespace.inside): Promise<string[]> {
  return inside.run(
    async ({ overlayer, fs }, mounts, target) => {
      await overlayer.mountAll(JSON.parse(mounts), target);
      return fs.readdirSync(target).sort();
    },
    JSON.stringify(mounts),
    target,
  );
}

const unmount = (target: string) =>
  namespace.inside.run(({ overlayer }, target) => overlayer.unmountAll(target), target);

/** The mounts below a directory, as `TYPE PATH`. */
function mountedIn(root: string, inside = namespace.inside): Promise<string[]> {
  return inside.run(async ({ load, path }, root) => {
    const { readMountInfo } =
      await load<typeof import('../../src/system/mountinfo.js')>('system/mountinfo.js');
    return readMountInfo()
      .filter(({ mountPoint }) => mountPoint.startsWith(`${root}/`))
      .map(({ type, mountPoint }) => `${type} ${path.relative(root, mountPoint).replace(/\/\d+-\d+$/, '/N')}`)
      .sort();
  }, root);
}

const FILE = 'erofs shared-mounts/N';

test('a stack that has a layer twice, as images with empty layers do, is mounted', async () => {
  const { target, container } = makeStore(['base', 'next', 'base'], ['a']);
  expect(await mount(container('a'), target('a'))).toEqual(['base', 'next']);
  await unmount(target('a'));
});

test('containers share one mount of each layer, and the last unmount ends it', async () => {
  const { root, shared, target, container } = makeStore(['base', 'next'], ['a', 'b']);
  expect(await mount(container('a'), target('a'))).toEqual(['base', 'next']);
  expect(await mount(container('b'), target('b'))).toEqual(['base', 'next']);
  expect(await mountedIn(root)).toEqual([FILE, FILE, 'overlay a/target', 'overlay b/target']);
  await unmount(target('a'));
  expect(await mountedIn(root)).toEqual([FILE, FILE, 'overlay b/target']);
  await unmount(target('b'));
  expect(await mountedIn(root)).toEqual([]);
  expect(readdirSync(shared)).toEqual([]);
});

test('a read of a file in the second container finds it in the page cache of the first', async () => {
  const { layers, target } = makeStore(['base'], ['a', 'b']);
  for (const name of ['a', 'b']) await mount(layers, target(name));
  const devices = await namespace.inside.run(
    ({ fs }, ...targets) => targets.map((path) => fs.statSync(path).dev),
    target('a'),
    target('b'),
  );
  expect(devices[0]).toBe(devices[1]);
  for (const name of ['a', 'b']) await unmount(target(name));
});

test('the only layer of a view is mounted read-only, and only as long as the view', async () => {
  const { root, layers, target } = makeStore(['base'], ['a']);
  expect(await mount(layers, target('a'))).toEqual(['base']);
  expect(await mountedIn(root)).toEqual(['erofs a/target', FILE]);
  const written = namespace.inside.run(({ fs }, path) => fs.writeFileSync(path, ''), `${target('a')}/new`);
  await expect(written).rejects.toThrow('EROFS');
  await unmount(target('a'));
  expect(await mountedIn(root)).toEqual([]);
});

test('hard links of a layer share a mount; a file that replaces it has one of its own', async () => {
  const { root, layers, target } = makeStore(['base'], ['a', 'b', 'c']);
  const { source } = layers[0]!;
  const link = join(root, 'link.erofs');
  linkSync(source, link);
  await mount(layers, target('a'));
  await mount([{ ...layers[0]!, source: link }], target('b'));
  const sound = join(root, 'sound.erofs');
  writeFileSync(sound, smallErofs({ sound: '' }));
  renameSync(sound, source);
  expect(await mount(layers, target('c'))).toEqual(['sound']);
  expect((await mountedIn(root)).filter((line) => line === FILE)).toHaveLength(2);
  for (const name of ['a', 'b', 'c']) await unmount(target(name));
  expect(await mountedIn(root)).toEqual([]);
});

test('options that change a mount keep it apart', async () => {
  const { root, layers, target } = makeStore(['base'], ['a', 'b']);
  await mount(layers, target('a'));
  await mount([{ ...layers[0]!, options: ['ro', 'directio'] }], target('b'));
  expect((await mountedIn(root)).filter((line) => line.includes('shared-mounts'))).toHaveLength(2);
  for (const name of ['a', 'b']) await unmount(target(name));
  expect(await mountedIn(root)).toEqual([]);
});

test('after an end without unmountAll, the next one releases what nothing uses', async () => {
  const { root, shared, target, container } = makeStore(['base'], ['a', 'b']);
  for (const name of ['a', 'b']) await mount(container(name), target(name));
  await namespace.inside.run(({ child }, ...targets) => child.execFileSync('umount', targets), target('a'));
  expect(await mountedIn(root)).toEqual([FILE, 'overlay b/target']);
  await namespace.inside.run(({ child }, path) => child.execSync(`umount ${path}/*`), shared);
  expect(await mount(container('a'), target('a'))).toEqual(['base']); // a reboot leaves such directories too
  await namespace.inside.run(
    ({ child }, ...targets) => child.execFileSync('umount', targets),
    target('a'),
    target('b'),
  );
  expect(await mountedIn(root)).toEqual([FILE]);
  await unmount(root);
  expect(await mountedIn(root)).toEqual([]);
  expect(readdirSync(shared)).toEqual([]);
});

test('a failed mount leaves nothing', async () => {
  const { root, shared, target, container } = makeStore(['base'], ['a']);
  await expect(mount(container('a'), join(root, 'missing'))).rejects.toMatchObject({ code: 'NotFound' });
  writeFileSync(join(root, 'base.erofs'), 'no EROFS file');
  await expect(mount(container('a'), target('a'))).rejects.toThrow('base.erofs');
  expect(await mountedIn(root)).toEqual([]);
  expect(readdirSync(shared)).toEqual([]);
});

test('a layer is mounted for its target alone where nothing can be shared', async () => {
  const { root, target, container } = makeStore(['base'], ['a']);
  writeFileSync(join(root, 'shared-mounts'), '');
  expect(await mount(container('a'), target('a'))).toEqual(['base']);
  expect(await mountedIn(root)).toEqual(['overlay a/target']);
  await unmount(target('a'));
});

test('another mount namespace has mounts of its own, and both end alone', async () => {
  const { root, target, container } = makeStore(['base'], ['a', 'b']);
  const other = await NamespaceProcess.start('root');
  try {
    await mount(container('a'), target('a'));
    expect(await mount(container('b'), target('b'), other)).toEqual(['base']);
    expect(await mountedIn(root, other)).toEqual(['overlay b/target', FILE].sort());
    await unmount(target('a'));
    expect(await mountedIn(root)).toEqual([]);
    expect(readFileSync(other.view(join(target('b'), 'base')), 'utf8')).toBe('base');
    await other.run(({ overlayer }, path) => overlayer.unmountAll(path), target('b'));
    expect(await mountedIn(root, other)).toEqual([]);
  } finally {
    await other.close();
  }
});

test('containers that are mounted and unmounted at once share mounts, and leave none', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `c${index}`);
  const { root, target, container } = makeStore(['base', 'next'], names);
  const seen = await namespace.inside.run(
    async ({ overlayer, fs }, lists) => {
      const containers: [Mount[], string][] = JSON.parse(lists);
      return await Promise.all(
        containers.map(async ([mounts, target]) => {
          await overlayer.mountAll(mounts, target);
          const files = fs.readdirSync(target).sort().join(' ');
          await overlayer.unmountAll(target);
          return files;
        }),
      );
    },
    JSON.stringify(names.map((name) => [container(name), target(name)])),
  );
  expect(seen).toEqual(names.map(() => 'base next'));
  expect(await mountedIn(root)).toEqual([]);
});

test('check does not mind the mounts of a store, and cleanup ends those that nothing uses', async () => {
  const root = namespace.directory('disk');
  const seen = await namespace.inside.run(async ({ overlayer, fs, path, child }, root) => {
    const snapshots = await overlayer.openSnapshotter({ root: path.join(root, 'store'), backend: 'erofs' });
    const target = path.join(root, 'target');
    fs.mkdirSync(target);
    await overlayer.withMount(await snapshots.prepare('a'), (directory) =>
      fs.writeFileSync(path.join(directory, 'file'), 'text'),
    );
    await snapshots.commit('a', { name: 'base' });
    const mounts = await snapshots.prepare('b', { parent: 'base' });
    await overlayer.mountAll(mounts, target);
    const { findings } = await snapshots.check();
    const kept = () => fs.readdirSync(path.join(root, 'store', 'shared-mounts')).length;
    await snapshots.cleanup();
    const used = kept();
    child.execFileSync('umount', [target]);
    await snapshots.cleanup();
    const unused = kept();
    await snapshots.close();
    return { findings: findings.length, used, unused };
  }, root);
  expect(seen).toEqual({ findings: 0, used: 1, unused: 0 });
});

test('files of two file systems that have one inode number are mounted apart', async () => {
  const { root, shared, target } = makeStore([], ['a', 'b']);
  const views = ['one', 'two'].map((name): Mount[] => {
    const source = join(root, name, 'layer.erofs');
    mkdirSync(dirname(source));
    return [{ type: 'erofs', source, options: ['ro'], sharedIn: shared }];
  });
  const inodes = await namespace.inside.run(
    async ({ child, fs }, images, ...files) => {
      const contents: string[] = JSON.parse(images);
      return files.map((file, index) => {
        child.execFileSync('mount', ['-t', 'tmpfs', 'layers', file.replace(/\/[^/]*$/, '')]);
        fs.writeFileSync(file, Buffer.from(contents[index]!, 'base64'));
        return fs.statSync(file).ino;
      });
    },
    JSON.stringify(['one', 'two'].map((name) => smallErofs({ [name]: '' }).toString('base64'))),
    ...views.map(([view]) => view!.source),
  );
  expect(inodes[0]).toBe(inodes[1]);
  expect(await mount(views[0]!, target('a'))).toEqual(['one']);
  expect(await mount(views[1]!, target('b'))).toEqual(['two']);
  for (const name of ['a', 'b']) await unmount(target(name));
  expect((await mountedIn(root)).filter((line) => line.startsWith('erofs'))).toEqual([]);
});

test.each(['private', 'shared'])(
  'a %s bind mount of a store keeps no layers mounted',
  async (propagation) => {
    const { root, target, container } = makeStore(['base', 'next'], ['a', 'b']);
    const again = namespace.directory('disk');
    const shell = (...lines: string[]) =>
      namespace.inside.run(({ child }, line) => String(child.execSync(line)), lines.join(' && '));
    await shell(`mount --bind ${root} ${root}`, `mount --make-${propagation} ${root}`);
    await mount(container('a'), target('a'));
    await shell(`mount --rbind ${root} ${again}`);
    await mount(container('b'), target('b'));
    await unmount(target('a'));
    expect((await mountedIn(root)).filter((line) => line === FILE)).toHaveLength(2);
    await shell(`umount -l ${join(again, 'a/target')} ${join(again, 'b/target')} 2>/dev/null || true`);
    await unmount(target('b'));
    const left = [...(await mountedIn(root)), ...(await mountedIn(again))];
    expect(left.filter((line) => line === FILE)).toEqual([]);
    await shell(`umount -R ${again}`, `umount -R ${root}`);
  },
);

test('a layer below a path with a backslash stays shared until its last unmount', async () => {
  const { root, layers, target } = makeStore(['base', 'next'], ['a', 'b']);
  const shared = join(root, 'a\\b', 'shared-mounts');
  mkdirSync(dirname(shared));
  const view = (name: string): Mount[] => [
    ...layers.map((layer) => ({ ...layer, sharedIn: shared })),
    {
      type: 'format/overlay',
      source: 'overlay',
      options: [
        `workdir=${join(root, name, 'work')}`,
        `upperdir=${join(root, name, 'upper')}`,
        'lowerdir={{ overlay 0 1 }}',
      ],
    },
  ];
  for (const name of ['a', 'b']) await mount(view(name), target(name));
  await unmount(target('a'));
  expect(readdirSync(shared)).toHaveLength(2);
  await unmount(target('b'));
  expect(readdirSync(shared)).toEqual([]);
});

test('a process that is stopped with the lock keeps no mount and no unmount waiting', async () => {
  const { root, shared, target, container } = makeStore(['base'], ['a']);
  mkdirSync(shared);
  const holder = spawn('flock', [shared, 'sh', '-c', 'echo locked; exec cat']);
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  expect(await mount(container('a'), target('a'))).toEqual(['base']);
  expect(await mountedIn(root)).toEqual(['overlay a/target']);
  await unmount(target('a'));
  expect(await mountedIn(root)).toEqual([]);
});
