import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type ConvertEvent,
  type CopyEvent,
  copyImage,
  createImageLayout,
  inspectImages,
  openImageLayout,
  openRegistry,
  openRegistryTarget,
  openStore,
  type Store,
} from '../../../src/index.js';
import { DockerRegistry } from '../../helpers/docker-registry.js';
import {
  archiveOf,
  blobFile,
  configOf,
  describe as descriptorOf,
  json,
  LAYERS,
  layoutFiles,
  writeFiles,
} from '../../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

const GZIPPED = LAYERS.map((layer) => gzipSync(layer));
const NAME = 'example.com/app:1';

let directory: string;
let registry: DockerRegistry;
const stores: Store[] = [];
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  vi.stubEnv('DOCKER_CONFIG', '/nonexistent');
  vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
  registry = await DockerRegistry.start(makeWorkDirectory());
});
afterAll(async () => await registry.kill());
beforeEach(() => {
  directory = makeWorkDirectory('disk');
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

async function storeWith(
  backend: 'erofs' | 'native',
  options: { readonly keepBlobs?: boolean } = {},
): Promise<Store> {
  const store = await openStore({ root: at(backend), backend });
  stores.push(store);
  await store.import(archiveOf(layoutFiles({}, GZIPPED)), { name: NAME, ...options });
  return store;
}

async function pulled(reference: string) {
  await using source = await openRegistry(reference);
  const [image] = await inspectImages(source);
  return image!;
}

const skopeo = (...args: readonly string[]) => execFileSync('/usr/bin/skopeo', args, { encoding: 'utf8' });

describe('a push', () => {
  test('keeps the digests; a second one sends nothing', async () => {
    const store = await storeWith('native');
    const reference = `${registry.host}/kept:1`;
    const { target } = await store.push(NAME, reference);
    expect(target.digest).toBe((await store.images.get(NAME)).target.digest);
    expect((await pulled(reference)).target.digest).toBe(target.digest);
    const events: CopyEvent[] = [];
    for await (const event of store.push(NAME, reference)) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['plan', 'skip', 'skip', 'skip']);
  });

  test('of discarded blobs compresses the tars of the layer files', async () => {
    const store = await storeWith('erofs', { keepBlobs: false });
    const reference = `${registry.host}/discarded:1`;
    await store.push(NAME, reference, { compression: 'zstd' });
    const { manifest, config } = await pulled(reference);
    expect(config.diffIDs).toEqual(LAYERS.map((layer) => descriptorOf('a/b', layer).digest));
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      'application/vnd.oci.image.layer.v1.tar+zstd',
      'application/vnd.oci.image.layer.v1.tar+zstd',
    ]);
    skopeo(
      'copy',
      '--quiet',
      '--insecure-policy',
      '--src-tls-verify=false',
      `docker://${reference}`,
      `dir:${at('copy')}`,
    );
  });

  test('of a damaged blob names the blob, and the registry has no image', async () => {
    const store = await storeWith('native');
    const { manifest } = await (await store.images.get(NAME)).contents();
    const { digest } = manifest.layers[1]!;
    const path = await store.content.path(digest);
    const bytes = readFileSync(path);
    bytes[20]! ^= 1;
    writeFileSync(path, bytes);
    const reference = `${registry.host}/damaged:1`;
    await expect(store.push(NAME, reference)).rejects.toMatchObject({
      code: 'DataLoss',
      message: expect.stringContaining(digest),
    });
    await expect(pulled(reference)).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('of discarded blobs without layer files fails, and the registry has no image', async () => {
    const store = await storeWith('native', { keepBlobs: false });
    const reference = `${registry.host}/lacking:1`;
    await expect(store.push(NAME, reference)).rejects.toMatchObject({ code: 'NotFound' });
    await expect(pulled(reference)).rejects.toMatchObject({ code: 'NotFound' });
  });
});

/** An index of two platforms. The store gets the first one alone. */
function twoPlatforms(): { readonly index: Uint8Array; readonly layout: string } {
  const files: Record<string, Uint8Array> = {};
  const put = (mediaType: string, bytes: Uint8Array) => {
    const descriptor = descriptorOf(mediaType, bytes);
    files[blobFile(descriptor)] = bytes;
    return descriptor;
  };
  const manifestFor = (architecture: string) => {
    const config = { ...JSON.parse(configOf(GZIPPED).toString()), architecture };
    return {
      ...put(
        'application/vnd.oci.image.manifest.v1+json',
        json({
          schemaVersion: 2,
          config: put('application/vnd.oci.image.config.v1+json', json(config)),
          layers: GZIPPED.map((layer) => put('application/vnd.oci.image.layer.v1.tar+gzip', layer)),
        }),
      ),
      platform: { os: 'linux', architecture },
    };
  };
  const index = json({ schemaVersion: 2, manifests: ['amd64', 'arm64'].map(manifestFor), x: 'kept' });
  const target = put('application/vnd.oci.image.index.v1+json', index);
  files['oci-layout'] = json({ imageLayoutVersion: '1.0.0' });
  files['index.json'] = json({
    schemaVersion: 2,
    manifests: [{ ...target, annotations: { 'org.opencontainers.image.ref.name': 'two' } }],
  });
  return { index, layout: writeFiles(at('two'), files) };
}

describe('an index with a missing platform', () => {
  const pushed = async (store: Store, reference: string) => {
    const events: CopyEvent[] = [];
    const task = store.push(NAME, reference);
    for await (const event of task) events.push(event);
    const missing = events.flatMap((event) => (event.type === 'missing' ? event.manifests : []));
    return { ...(await task), told: missing.map(({ platform }) => platform!.architecture) };
  };

  test('is pushed as the manifest that is there, and says so', async () => {
    const store = await openStore({ root: at('store'), backend: 'native' });
    stores.push(store);
    await store.import(twoPlatforms().layout, {
      name: NAME,
      platform: { os: 'linux', architecture: 'amd64' },
    });
    const { target, told } = await pushed(store, `${registry.host}/lone:1`);
    expect(told).toEqual(['arm64']);
    expect(target.mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
  });

  test('is pushed as it is where the registry has the other platform', async () => {
    const { layout } = twoPlatforms();
    const reference = `${registry.host}/both`;
    await using both = await openImageLayout(layout);
    await using registryTarget = await openRegistryTarget(`${reference}:1`);
    await copyImage(both, registryTarget);
    const store = await openStore({ root: at('store'), backend: 'native' });
    stores.push(store);
    await store.import(layout, { name: NAME, platform: { os: 'linux', architecture: 'amd64' } });
    const { target, told } = await pushed(store, `${reference}:2`);
    expect(told).toEqual([]);
    expect(target.digest).toBe((await store.images.get(NAME)).target.digest);
  });
});

describe('a conversion', () => {
  test.each(['native', 'erofs'] as const)(
    'of %s has the snapshots of the image, and converts back',
    async (backend) => {
      const store = await storeWith(backend);
      const before = await (await store.images.get(NAME)).contents();
      const image = await store.convert(NAME, 'example.com/app:zstd', { compression: 'zstd' });
      const { manifest, config, layers } = await image.contents();
      expect(config.diffIDs).toEqual(before.config.diffIDs);
      expect(layers.map(({ chainID }) => chainID)).toEqual(before.layers.map(({ chainID }) => chainID));
      expect(manifest.layers.every(({ mediaType }) => mediaType.endsWith('+zstd'))).toBe(true);
      expect(await image.check()).toMatchObject({ isComplete: true });
      const back = await store.convert('example.com/app:zstd', 'example.com/app:plain', {
        compression: 'none',
      });
      expect((await back.contents()).manifest.layers.map(({ digest }) => digest)).toEqual(config.diffIDs);
      await store.images.remove(NAME);
      await store.images.prune();
      expect(await image.check()).toMatchObject({ isComplete: true });
    },
  );

  test('of an index has all platforms that the store has', async () => {
    const store = await openStore({ root: at('store'), backend: 'native' });
    stores.push(store);
    const { layout } = twoPlatforms();
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
    await store.import(layout, { name: NAME, platform: platforms[0]! });
    const events: ConvertEvent[] = [];
    const converting = store.convert(NAME, 'example.com/app:one', { compression: 'zstd' });
    for await (const event of converting) events.push(event);
    expect((await converting).target.mediaType).toBe('application/vnd.oci.image.manifest.v1+json');
    expect(events).toContainEqual(expect.objectContaining({ type: 'missing' }));
    await store.import(layout, { name: NAME, platform: platforms[1]! });
    const image = await store.convert(NAME, 'example.com/app:two', { compression: 'zstd' });
    expect(image.target.mediaType).toBe('application/vnd.oci.image.index.v1+json');
    await store.images.remove(NAME);
    await store.images.remove('example.com/app:one');
    await store.images.prune();
    await using target = await createImageLayout(at('both'));
    const [copied] = await copyImage(await store.images.source('example.com/app:two'), target);
    expect(copied!.missing).toEqual([]);
    await using both = await openImageLayout(at('both'));
    for (const platform of platforms) {
      const { manifest } = (await inspectImages(both, { platform })).at(0)!;
      expect(manifest.layers.every(({ mediaType }) => mediaType.endsWith('+zstd'))).toBe(true);
    }
  });

  test('whose snapshots were removed unpacks its layers, and tells how far it is', async () => {
    const store = await storeWith('native');
    const { layers } = await (await store.images.get(NAME)).contents();
    for (const { chainID } of layers.toReversed()) await store.snapshots.remove(chainID);
    const events: ConvertEvent[] = [];
    const converting = store.convert(NAME, 'example.com/app:zstd', { compression: 'zstd' });
    for await (const event of converting) events.push(event);
    const unpacked = events.flatMap((event) => (event.type === 'unpack' ? [event.event.type] : []));
    expect(unpacked.filter((type) => type === 'commit')).toHaveLength(layers.length);
    expect(await (await converting).check()).toMatchObject({ isComplete: true });
  });

  test('that changes nothing keeps the manifest', async () => {
    const store = await storeWith('native');
    const image = await store.convert(NAME, 'example.com/app:same', { compression: 'gzip' });
    expect(image.target.digest).toBe((await store.images.get(NAME)).target.digest);
  });

  test('that fails leaves nothing', async () => {
    const store = await storeWith('native');
    const blobs = async () => {
      let found = 0;
      for await (const _ of store.content.walk()) found += 1;
      return found;
    };
    const count = await blobs();
    const failing = store.convert(NAME, 'example.com/app:bad', { compression: 'zstd', compressionLevel: 99 });
    await expect(failing).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(await blobs()).toBe(count);
    expect(await store.content.ingests()).toEqual([]);
    expect(await store.content.leases.list()).toEqual([]);
  });
});

test('an opened source is imported', async () => {
  const store = await openStore({ root: at('store'), backend: 'native' });
  stores.push(store);
  await using source = await openImageLayout(writeFiles(at('layout'), layoutFiles()));
  const [image] = await store.import(source, { name: 'mine:1' });
  expect(image!.name).toBe('docker.io/library/mine:1');
});
