import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as overlayer from '../../src/index.js';
import { archiveOf, layoutFiles } from '../helpers/hand-made-image.js';
import { failureOf } from '../helpers/sandbox.js';
import { tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const root = makeWorkDirectory();
const digest: overlayer.Digest = `sha256:${'0'.repeat(64)}`;
const target = { mediaType: 'none', digest, size: 0 };
const source: overlayer.ImageSource = {
  description: 'none',
  images: async () => [],
  open: () => Promise.reject(new Error('not asked')),
  close: async () => {},
  [Symbol.asyncDispose]: async () => {},
};
const snapshots = {} as overlayer.Snapshotter;
let store: overlayer.Store;
let image: overlayer.Image;

beforeAll(async () => {
  store = await overlayer.openStore({ root: join(root, 'store'), backend: 'native' });
  image = await store.import(archiveOf(layoutFiles())).then(([first]) => first!);
});
afterAll(async () => {
  await store.close();
  rmSync(root, { recursive: true });
});

async function take(all: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of all);
}

/** Every public function that takes options. */
const works: Record<string, (options: never) => PromiseLike<unknown>> = {
  unpackLayer: (options) => overlayer.unpackLayer(tar(), join(root, 'none'), options),
  planLayer: (options) => overlayer.planLayer(tar(), options),
  createDiff: (options) => overlayer.createDiff({ upper: root }, options),
  replaceFile: (options) => overlayer.replaceFile(join(root, 'none'), tar(), options),
  diffMounts: (options) => overlayer.diffMounts([], [], options),
  diffSnapshot: (options) => overlayer.diffSnapshot(snapshots, 'none', options),
  unpackSnapshot: (options) => overlayer.unpackSnapshot(snapshots, tar(), options),
  openSnapshotter: overlayer.openSnapshotter,
  rebuildMetadata: overlayer.rebuildMetadata,
  withMount: (options) => overlayer.withMount([], () => {}, options),
  openStore: overlayer.openStore,
  readImages: (options) => overlayer.readImages(root, options),
  openRegistry: (options) => overlayer.openRegistry('none', options),
  openImageLayout: (options) => overlayer.openImageLayout(root, options),
  openImageArchive: (options) => overlayer.openImageArchive(tar(), options),
  inspectImages: (options) => overlayer.inspectImages(source, options),
  unpackImage: (options) => overlayer.unpackImage(source, join(root, 'none'), options),
  exportImages: (options) => overlayer.exportImages(store.content, [], options),
  verifyImage: (options) => overlayer.verifyImage('none', target, options),
  createRuntimeSpec: (options) => overlayer.createRuntimeSpec({} as overlayer.ImageConfig, options),
  serve: overlayer.serve,
  containerdConfig: async (options) => overlayer.containerdConfig(options),
  readTar: (options) => take(overlayer.readTar(tar(), options)),
  'Store.pull': (options) => store.pull('none', options),
  'Store.import': (options) => store.import(root, options),
  'Store.createImage': (options) => store.createImage(options),
  'Store.commit': (options) => store.commit('none', 'none', options),
  'Store.squash': (options) => store.squash('none', 'none', options),
  'Store.rebase': (options) => store.rebase('none', 'none', options),
  'Images.diff': (options) => store.images.diff('none', 'none', options),
  'Images.list': (options) => store.images.list(options),
  'Images.prune': (options) => store.images.prune(options),
  'Image.contents': (options) => image.contents(options),
  'Image.usage': (options) => image.usage(options),
  'Image.check': (options) => image.check(options),
  'Image.mount': (options) => image.mount(root, options),
  'Image.unpackTo': (options) => image.unpackTo(join(root, 'none'), options),
  'Snapshotter.prepare': (options) => store.snapshots.prepare('none', options),
  'Snapshotter.view': (options) => store.snapshots.view('none', options),
  'Snapshotter.mounts': (options) => store.snapshots.mounts('none', options),
  'Snapshotter.commit': (options) => store.snapshots.commit('none', options),
  'Snapshotter.usage': (options) => store.snapshots.usage('none', options),
  'Snapshotter.remove': (options) => store.snapshots.remove('none', options),
  'Snapshotter.cleanup': (options) => store.snapshots.cleanup(options),
  'Snapshotter.update': (options) => store.snapshots.update('none', {}, options),
  'Snapshotter.walk': (options) => take(store.snapshots.walk(options)),
  'Snapshotter.check': (options) => store.snapshots.check(options),
  'ContentStore.walk': (options) => take(store.content.walk(options)),
  'ContentStore.update': (options) => store.content.update(digest, {}, options),
  'ContentStore.read': (options) => take(store.content.read(digest, options)),
  'ContentStore.openIngest': (options) => store.content.openIngest('none', options),
  'ContentStore.verify': (options) => store.content.verify(digest, options),
  'ContentStore.sweep': (options) => store.content.sweep(async () => () => true, options),
  'Leases.create': (options) => store.content.leases.create(options),
  'Leases.list': (options) => store.content.leases.list(options),
};

describe('options that a function does not have are refused by name', () => {
  for (const [name, work] of Object.entries(works))
    test(name, async () => {
      const error = await failureOf(work({ maxBites: 5 } as never));
      expect(error).toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('"maxBites"'),
        option: 'maxBites',
      });
      expect(await failureOf(work(null as never))).toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining('null'),
      });
    });
});

describe('a value of another type is refused by name', () => {
  test.each<[string, object]>([
    ['unpackLayer', { sync: 'no' }],
    ['unpackLayer', { rootless: 1 }],
    ['unpackLayer', { lowers: root }],
    ['unpackLayer', { diffID: null }],
    ['createDiff', { compressionLevel: '9' }],
    ['createDiff', { onProgress: true }],
    ['openRegistry', { plainHTTP: 'false' }],
    ['openRegistry', { retries: Number.NaN }],
    ['Store.pull', { concurrency: '4' }],
    ['Store.import', { names: 'app' }],
    ['Images.prune', { ingestsIdleMs: '0' }],
    ['Image.mount', { writable: 'no' }],
    ['Snapshotter.check', { dryRun: 'no' }],
    ['unpackLayer', { limits: null }],
    ['createDiff', { sourceDateEpoch: '2026-01-01' }],
    ['createDiff', { sourceDateEpoch: new Date(Number.NaN) }],
    ['openRegistry', { hostsDirectories: [5] }],
    ['Store.import', { names: ['app', null] }],
    ['Store.import', { platform: 'linux/amd64' }],
    ['Store.createImage', { annotations: null }],
    ['Store.squash', { limits: null }],
    ['Image.contents', { platform: [] }],
    ['Leases.create', { expiresAt: 5 }],
    ['serve', { containerd: '' }],
    ['serve', { onLog: 'stderr' }],
  ])('%s %o', async (name, options) => {
    const [option] = Object.keys(options);
    expect(await failureOf(works[name]!(options as never))).toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining(option!),
      option,
    });
  });
});

/** The arguments of public functions that are no options: the first ones are right, and the last one is to be another value. */
const argumentsOf: Record<string, (wrong: never) => unknown> = {
  chainIDs: (wrong) => overlayer.chainIDs(wrong),
  compareExplored: (wrong) => overlayer.compareExplored(wrong, wrong),
  copyImage: (wrong) => overlayer.copyImage(source, wrong),
  'copyImage, source': (wrong) => overlayer.copyImage(wrong, {} as never),
  createImageArchive: (wrong) => overlayer.createImageArchive(wrong, { format: 'oci-archive' }),
  createImageLayout: (wrong) => overlayer.createImageLayout(wrong),
  createRuntimeSpec: (wrong) => overlayer.createRuntimeSpec(wrong, { root: root } as never),
  detectSource: (wrong) => overlayer.detectSource(wrong),
  detectStream: (wrong) => overlayer.detectStream(wrong),
  diffMounts: (wrong) => overlayer.diffMounts([], wrong),
  'diffMounts, a mount': (wrong) => overlayer.diffMounts([], [wrong]),
  diffSnapshot: (wrong) => overlayer.diffSnapshot(wrong, 'none'),
  exploreImage: (wrong) => overlayer.exploreImage(wrong),
  exportImages: (wrong) => overlayer.exportImages(store.content, wrong),
  'exportImages, content': (wrong) => overlayer.exportImages(wrong, []),
  formatFamiliar: (wrong) => overlayer.formatFamiliar(wrong),
  formatPlatform: (wrong) => overlayer.formatPlatform(wrong),
  formatReference: (wrong) => overlayer.formatReference(wrong),
  inspectImages: (wrong) => overlayer.inspectImages(wrong),
  mergeErofsLayers: (wrong) => overlayer.mergeErofsLayers(wrong, root),
  mountAll: (wrong) => overlayer.mountAll(wrong, root),
  'mountAll, target': (wrong) => overlayer.mountAll([], wrong),
  openImageArchive: (wrong) => overlayer.openImageArchive(wrong),
  openImageFiles: (wrong) => take(overlayer.openImageFiles(wrong) as never),
  openImageLayout: (wrong) => overlayer.openImageLayout(wrong),
  openRegistry: (wrong) => overlayer.openRegistry(wrong),
  openRegistryTarget: (wrong) => overlayer.openRegistryTarget(wrong),
  parseDigest: (wrong) => overlayer.parseDigest(wrong),
  parsePlatform: (wrong) => overlayer.parsePlatform(wrong),
  parseReference: (wrong) => overlayer.parseReference(wrong),
  planLayer: (wrong) => overlayer.planLayer(wrong),
  readErofsLayer: (wrong) => overlayer.readErofsLayer(wrong),
  readErofsTar: (wrong) => overlayer.readErofsTar(wrong),
  readFilter: (wrong) => overlayer.readFilter(wrong),
  readImageFile: (wrong) => take(overlayer.readImageFile(wrong, '/etc/passwd') as never),
  readImages: (wrong) => overlayer.readImages(wrong),
  readTar: (wrong) => take(overlayer.readTar(wrong)),
  replaceFile: (wrong) => overlayer.replaceFile(join(root, 'none'), wrong),
  'replaceFile, path': (wrong) => overlayer.replaceFile(wrong, tar()),
  unmountAll: (wrong) => overlayer.unmountAll(wrong),
  unpackImage: (wrong) => overlayer.unpackImage(source, wrong),
  unpackLayer: (wrong) => overlayer.unpackLayer(wrong, join(root, 'none')),
  'unpackLayer, destination': (wrong) => overlayer.unpackLayer(tar(), wrong),
  unpackSnapshot: (wrong) => overlayer.unpackSnapshot(wrong, tar(), { name: 'none' }),
  verifyErofsLayer: (wrong) => overlayer.verifyErofsLayer(wrong),
  withMount: (wrong) => overlayer.withMount([], wrong),
  'withMount, mounts': (wrong) => overlayer.withMount(wrong, () => {}),
  withoutTemplates: (wrong) => overlayer.withoutTemplates(wrong, () => ''),
  writeImagePage: (wrong) => take(overlayer.writeImagePage(wrong)),
  'Store.pull': (wrong) => store.pull(wrong),
  'Store.push': (wrong) => store.push(wrong, 'localhost:1/none'),
  'Images.get': (wrong) => store.images.get(wrong),
  'Images.tag': (wrong) => store.images.tag(wrong, 'none'),
  'Image.mount': (wrong) => image.mount(wrong),
  'Image.unpackTo': (wrong) => image.unpackTo(wrong),
  'Image.writeDisk': (wrong) => image.writeDisk(wrong),
  'Snapshotter.update': (wrong) => store.snapshots.update('none', wrong),
  'Snapshotter.withLock': (wrong) => store.snapshots.withLock('none', wrong),
  'ContentStore.update': (wrong) => store.content.update(digest, wrong),
  'ContentStore.sweep': (wrong) => store.content.sweep(wrong),
  'Leases.add': (wrong) => store.content.leases.add('none', wrong),
};

/** They take any value, or none; or only a text that they show, and are called for each name of an archive. */
const OPEN_TO_ALL = ['OverlayerError', 'displayJson', 'displayPath', 'encodePath', 'hostPlatform', 'warmUp'];

test('every public function is tried', () => {
  const tried = [...Object.keys(works), ...Object.keys(argumentsOf), ...OPEN_TO_ALL, 'TarDecoder'];
  const functions = Object.entries(overlayer).filter(([, value]) => typeof value === 'function');
  expect(functions.map(([name]) => name).filter((name) => !tried.includes(name))).toEqual([]);
});

describe('an argument of another type is refused, and not by a TypeError', () => {
  test.each(Object.entries(argumentsOf))('%s', async (_, work) => {
    for (const wrong of [undefined, null, 5, true, Number.NaN])
      expect(await failureOf((async () => work(wrong as never))()), String(wrong)).toMatchObject({
        code: 'InvalidArgument',
      });
  });

  test.each<[string, () => PromiseLike<unknown>, string]>([
    [
      'a platform without an os',
      () => image.contents({ platform: { architecture: 'arm64' } as never }),
      'os of the platform is undefined',
    ],
    [
      'text as a layer',
      () => store.createImage({ name: 'a', layers: ['x'] as never }),
      'A new layer is a string',
    ],
    [
      'a number as a layer',
      () => store.createImage({ name: 'a', layers: [{ archive: 5 }] as never }),
      'is a number',
    ],
    ['a name that is a number', () => overlayer.openRegistry(5 as never), 'The name of an image is a number'],
    ['no name', () => store.pull(undefined as never), 'The name of an image is undefined'],
    ['a key that is a number', () => store.commit(5 as never, 'a'), 'target is a number'],
    ['no source', () => overlayer.copyImage(undefined as never, {} as never), 'source is undefined'],
    ['no mounts', () => overlayer.diffMounts([], undefined as never), 'right is undefined'],
    ['no platform', async () => overlayer.parsePlatform(undefined as never), 'Not a platform: undefined'],
  ])('%s', async (_, work, message) => {
    expect(await failureOf(work())).toMatchObject({
      code: 'InvalidArgument',
      message: expect.stringContaining(message),
    });
  });
});

describe('the hint says what is meant', () => {
  const hintOf = async (options: object) =>
    (await failureOf(overlayer.unpackLayer(tar(), join(root, 'none'), options))).hint;

  test('a limit at the top level', async () => {
    expect(await hintOf({ maxBytes: 5 })).toContain('{ limits: { maxBytes: … } }');
  });

  test('another spelling', async () => {
    expect(await hintOf({ diffId: digest })).toContain('"diffID"');
  });

  test('a signal that is none', async () => {
    const failure = await failureOf(overlayer.unpackLayer(tar(), join(root, 'none'), { signal: 5 as never }));
    expect(failure).toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining('AbortController'),
    });
  });

  test('options that are a string', async () => {
    const failure = await failureOf(overlayer.openStore('store' as never));
    expect(failure).toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining('root, backend'),
    });
  });

  test('anything else: the options that there are', async () => {
    expect(await hintOf({ strip: 1 })).toMatch(/target.*rootless.*lowers/);
  });

  test('an option without a value is no option', async () => {
    const options = { allowEmpty: true, strip: undefined };
    const layer = await overlayer.unpackLayer(new Uint8Array(), join(root, 'empty'), options);
    expect(layer.entries).toBe(0);
  });
});

describe('paths', () => {
  test.each([
    ['destination', (path: never) => overlayer.unpackLayer(tar(), path)],
    ['lowers', (path: never) => overlayer.unpackLayer(tar(), join(root, 'none'), { lowers: [path] })],
    ['source.upper', (path: never) => overlayer.createDiff({ upper: path })],
    ['source.lower', (path: never) => overlayer.createDiff({ lower: path, upper: root })],
    ['root', (path: never) => overlayer.openStore({ root: path })],
    ['root', (path: never) => overlayer.rebuildMetadata({ root: path })],
    ['address', (path: never) => overlayer.serve({ root, address: path })],
    ['target', (path: never) => overlayer.mountAll([], path)],
    ['target', (path: never) => overlayer.unmountAll(path)],
    ['directory', (path: never) => overlayer.openImageLayout(path)],
  ])('%s', async (argument, work) => {
    for (const path of ['', 'a\0b', 5, {}])
      expect(await failureOf(work(path as never))).toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringContaining(`${argument} is `),
      });
  });

  test.each([
    ['openStore', () => overlayer.openStore({} as never)],
    ['openSnapshotter', () => overlayer.openSnapshotter({} as never)],
    ['rebuildMetadata', () => overlayer.rebuildMetadata({} as never)],
  ])('a root is needed: %s', async (_, work) => {
    expect(await failureOf(work())).toMatchObject({
      code: 'InvalidArgument',
      message: 'Not a path: root is undefined',
    });
  });

  test.each(['', 'a\0b'])('of an archive: %j', async (path) => {
    for (const work of [overlayer.openImageArchive(path), store.import(path)])
      expect(await failureOf(work)).toMatchObject({ code: 'InvalidArgument' });
  });

  test('the content of a file in place of its path is quoted in part', async () => {
    const failure = await failureOf(overlayer.unpackLayer('\0'.repeat(100_000), join(root, 'none')));
    expect(failure).toMatchObject({ code: 'InvalidArgument', hint: expect.stringContaining('Uint8Array') });
    expect(failure.message.length).toBeLessThan(1000);
  });

  test('the path of an image in place of its source', async () => {
    const failure = await failureOf(overlayer.unpackImage('image.tar' as never, join(root, 'none')));
    expect(failure).toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining('openImageArchive'),
    });
  });

  test('what a diff is made of', async () => {
    for (const source of [undefined, 'directory', {}])
      expect(await failureOf(overlayer.createDiff(source as never))).toMatchObject({
        code: 'InvalidArgument',
      });
  });
});
