import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test, vi } from 'vitest';
import {
  type CreateImageOptions,
  copyImage,
  createImageLayout,
  type Image,
  parsePlatform,
} from '../../../src/index.js';
import { start } from '../../cli/helpers.js';
import { archiveOf, dockerFiles, LAYERS, layoutFiles } from '../../helpers/hand-made-image.js';
import { dir, file, tar } from '../../helpers/tar-builder.js';
import { readTree } from '../../helpers/tree.js';
import { EMPTY, TestStore } from '../use-store.js';

const box = new TestStore();
const EPOCH = new Date('2024-05-06T07:08:09Z');
const verify = { directory: '/nowhere' };

const create = (options: Omit<CreateImageOptions, 'verify'>) => box.store.createImage({ verify, ...options });
const importBase = async (files = layoutFiles()) =>
  (await box.store.import(archiveOf(files), { verify }))[0]!;

function directory(files: Readonly<Record<string, string>>): string {
  const path = join(box.directory, 'tree');
  mkdirSync(path);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
  return path;
}

async function names(image: Image): Promise<string[]> {
  const target = join(box.directory, 'unpacked');
  await image.unpackTo(target);
  return [...readTree(target).keys()].filter((name) => name !== '.');
}

test('from nothing, of an archive that is kept byte for byte', async () => {
  const layer = gzipSync(tar(file('a', '1')), { level: 9 });
  const image = await create({
    name: 'new',
    platform: parsePlatform('linux/arm64'),
    layers: [{ archive: layer }],
    config: { cmd: ['/a'] },
    annotations: { 'org.example': 'x' },
    sourceDateEpoch: EPOCH,
  });
  expect(image.name).toBe('docker.io/library/new:latest');
  const { manifest, config, layers } = await image.contents();
  expect(readFileSync(await box.store.content.path(layers[0]!.descriptor.digest))).toEqual(layer);
  expect(manifest.annotations).toEqual({ 'org.example': 'x' });
  expect(manifest.layers[0]!.mediaType).toBe('application/vnd.oci.image.layer.v1.tar+gzip');
  expect(config).toMatchObject({
    platform: { os: 'linux', architecture: 'arm64' },
    createdAt: '2024-05-06T07:08:09Z',
    process: { cmd: ['/a'] },
    history: [{ created: '2024-05-06T07:08:09Z', createdBy: 'overlayer createImage', emptyLayer: false }],
  });
  expect(await image.check()).toMatchObject({ isComplete: true, layers: { present: 1, total: 1 } });
  expect(await names(image)).toEqual(['a']);
});

test('of a base and a directory: layers, history and media types follow the base', async () => {
  const base = await importBase(dockerFiles());
  const upper = directory({ three: '3' });
  const image = await create({
    name: 'next',
    base: 'sample:1',
    layers: [{ trees: { upper } }],
    comment: 'why',
  });
  const before = await base.contents();
  const { manifest, config } = await image.contents();
  expect(manifest.mediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
  expect(manifest.layers.slice(0, 2)).toEqual(before.manifest.layers);
  expect(manifest.layers[2]!.mediaType).toBe('application/vnd.docker.image.rootfs.diff.tar.gzip');
  expect(config.history).toMatchObject([{ comment: 'why' }]);
  expect(await names(image)).toEqual(['one', 'three', 'two']);
});

test('the same inputs give the same digests', async () => {
  const upper = directory({ file: 'x' });
  const make = async (name: string) =>
    (await create({ name, layers: [{ trees: { upper } }], sourceDateEpoch: EPOCH })).target.digest;
  const first = await make('one');
  writeFileSync(join(upper, 'file'), 'x');
  expect(await make('two')).toBe(first);
});

test('a directory is put into the tree of the base, whose root stays as it is', async () => {
  await create({ name: 'base', layers: [{ archive: tar(dir('./', { mode: 0o751 }), file('one', '1')) }] });
  const upper = directory({ two: '2' });
  chmodSync(upper, 0o700);
  const image = await create({ name: 'x', base: 'base', layers: [{ trees: { upper, leaveRoot: true } }] });
  expect(await names(image)).toEqual(['one', 'two']);
  expect(statSync(join(box.directory, 'unpacked')).mode & 0o7777).toBe(0o751);
});

test('a build that was killed leaves nothing after a prune, which does not touch one that runs', async () => {
  const child = start(['append', 'scratch', '-', '-t', 'x', '--root', box.root, '--progress', 'none']);
  child.stdin!.write(LAYERS[1]!.subarray(0, 1024));
  const refs = async () => (await box.contents()).ingests;
  await vi.waitFor(async () => expect(await refs()).toEqual([expect.stringMatching(/^build-/)]), 20_000);
  await box.store.images.prune();
  expect(await refs()).toHaveLength(1);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await box.store.images.prune();
  expect(await box.contents()).toEqual(EMPTY);
});

test('a config alone adds a step without a layer', async () => {
  await importBase();
  const image = await create({ name: 'sample:2', base: 'sample:1', config: { user: 'web' } });
  const { config, layers } = await image.contents();
  expect(layers).toHaveLength(2);
  expect(config.history).toMatchObject([{ createdBy: 'overlayer createImage', emptyLayer: true }]);
  expect(config.process.user).toBe('web');
});

test.each<[what: string, options: Omit<CreateImageOptions, 'verify'>, code: string]>([
  ['a base that is not there', { name: 'x', base: 'none' }, 'NotFound'],
  ['a name that is no reference', { name: 'A B' }, 'InvalidArgument'],
  [
    'a change that is invalid',
    { name: 'x', layers: [{ archive: LAYERS[0]! }], config: { workingDir: 'x' } },
    'InvalidArgument',
  ],
  [
    'an archive that is cut short',
    { name: 'x', layers: [{ archive: LAYERS[0]! }, { archive: LAYERS[1]!.subarray(0, 700) }] },
    'DataLoss',
  ],
  [
    'a verifier that refuses',
    {
      name: 'x',
      layers: [{ archive: LAYERS[0]! }],
      ...{ verify: { ...verify, verifiers: [() => ({ ok: false, reason: 'no' })] } },
    },
    'PermissionDenied',
  ],
])('%s leaves nothing behind', async (_, options, code) => {
  await expect(create(options)).rejects.toMatchObject({ code });
  expect(await box.contents()).toEqual(EMPTY);
});

test('an abort in the middle of a layer leaves nothing behind', async () => {
  const stop = new AbortController();
  async function* endless() {
    yield LAYERS[1]!.subarray(0, 1024);
    stop.abort(new Error('enough'));
    await new Promise(() => {});
  }
  const made = create({ name: 'x', layers: [{ archive: endless() }], signal: stop.signal });
  await expect(made).rejects.toThrow('enough');
  expect(await box.contents()).toEqual(EMPTY);
});

test('zstd on a base of Docker is refused, as docker has no media type for it', async () => {
  await importBase(dockerFiles());
  const upper = directory({ a: '1' });
  const made = create({ name: 'x', base: 'sample:1', layers: [{ trees: { upper } }], compression: 'zstd' });
  await expect(made).rejects.toMatchObject({
    code: 'InvalidArgument',
    hint: expect.stringContaining('--oci'),
  });
});

test('events tell of new layers first, then of the image', async () => {
  const task = create({ name: 'x', layers: [{ archive: LAYERS[0]! }] });
  const types: string[] = [];
  for await (const { type } of task) if (!types.includes(type)) types.push(type);
  expect(types.filter((type) => ['made', 'plan', 'skip', 'commit'].includes(type))).toEqual([
    'made',
    'plan',
    'skip',
  ]);
});

test('annotations that differ in their case alone are two', async () => {
  const annotations = { Name: '1', name: '2' };
  const first = await create({ name: 'first', annotations });
  expect((await first.contents()).manifest.annotations).toEqual(annotations);
  const second = await create({ name: 'second', base: first.name, annotations: { name: null } });
  expect((await second.contents()).manifest.annotations).toEqual({ Name: '1' });
});

test('a name with the digest of another image is refused', async () => {
  const { name, target } = await create({ name: 'app' });
  const [other, own] = [`new@sha256:${'0'.repeat(64)}`, `new@${target.digest}`];
  await using layout = await createImageLayout(join(box.directory, 'layout'));
  const source = await box.store.images.source(name);
  for (const attempt of [
    () => box.store.images.tag(name, other),
    () => box.store.convert(name, other, { verify }),
    () => box.store.import(source, { name: other, verify }),
    () => copyImage(source, layout, { name: other }),
  ])
    await expect(attempt()).rejects.toMatchObject({ code: 'InvalidArgument' });
  expect(await box.store.images.list()).toHaveLength(1);
  expect((await box.store.images.tag(name, own)).target).toEqual(target);
});

test('a name with a digest is refused: the image would have another', async () => {
  const failure = create({ name: `new@sha256:${'0'.repeat(64)}` });
  await expect(failure).rejects.toMatchObject({ code: 'InvalidArgument' });
  await expect(failure).rejects.toThrow('The name of a new image has a digest');
  expect(await box.store.images.list()).toEqual([]);
});
