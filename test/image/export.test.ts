import { execFileSync } from 'node:child_process';
import { createWriteStream, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exportImages } from '../../src/image/export/export-images.js';
import type { SourceImage } from '../../src/image/source/image-source.js';
import { openImageArchive, openImageLayout } from '../../src/image/source/open-local-images.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { hostPlatform } from '../../src/oci/platform.js';
import { blobPath, useContent } from '../content/use-content.js';
import { blobFile, describe as descriptorOf, json, LAYERS } from '../helpers/hand-made-image.js';
import { readBlob, readImage } from '../helpers/read-image.js';
import { makeSampleImages, type SampleImages } from '../helpers/sample-images.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const content = useContent();
let samples: SampleImages;
let sampleDirectory: string;
let directory: string;

beforeAll(() => {
  sampleDirectory = makeWorkDirectory();
  samples = makeSampleImages(sampleDirectory);
});
afterAll(() => rmSync(sampleDirectory, { recursive: true }));
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Puts all blobs of the sample into the content store. */
async function importSample(): Promise<SourceImage> {
  await using source = await openImageLayout(samples.layouts['skopeo']!);
  const [image] = await source.images();
  const { manifest } = await readImage(source, image!);
  for (const blob of [image!.target, manifest.config, ...manifest.layers])
    await content.put(await readBlob(source, blob));
  return image!;
}

/** A manifest of an image by hand, with its blobs in the content store. */
async function putManifest(layers: readonly Descriptor[] = [], comment = ''): Promise<Descriptor> {
  for (const layer of LAYERS) await content.put(layer);
  const config = json({
    os: 'linux',
    architecture: 'amd64',
    comment,
    rootfs: { type: 'layers', diff_ids: [] },
  });
  await content.put(config);
  const manifest = json({ schemaVersion: 2, config: descriptorOf(MEDIA_TYPE.config, config), layers });
  await content.put(manifest);
  return descriptorOf(MEDIA_TYPE.manifest, manifest);
}

async function putIndex(manifests: readonly object[]): Promise<Descriptor> {
  const index = json({ schemaVersion: 2, manifests });
  await content.put(index);
  return descriptorOf(MEDIA_TYPE.index, index);
}

const exported = (...images: readonly SourceImage[]) => buffer(exportImages(content.store, images));

async function save(...images: readonly SourceImage[]): Promise<string> {
  const path = join(directory, 'image.tar');
  await pipeline(exportImages(content.store, images), createWriteStream(path));
  return path;
}

const skopeo = (...args: readonly string[]) => execFileSync('/usr/bin/skopeo', args, { encoding: 'utf8' });
const member = (path: string, name: string) =>
  JSON.parse(execFileSync('/usr/bin/tar', ['-xOf', path, name], { encoding: 'utf8' }));

test('skopeo reads it as an OCI archive, with the same digest', async () => {
  const image = await importSample();
  const path = await save(image);
  const inspected = JSON.parse(skopeo('inspect', `oci-archive:${path}:1`));
  expect(inspected.Digest).toBe(image.target.digest);
  skopeo('copy', '--quiet', '--insecure-policy', `oci-archive:${path}:1`, `dir:${join(directory, 'copy')}`);
});

test('skopeo reads it as an archive of docker, with the same layers', async () => {
  const path = await save(await importSample());
  const config = JSON.parse(skopeo('inspect', '--config', `docker-archive:${path}:sample:1`));
  expect(config.rootfs.diff_ids).toEqual(samples.diffIDs);
  skopeo('copy', '--quiet', '--insecure-policy', `docker-archive:${path}`, `dir:${join(directory, 'copy')}`);
});

test('what was imported and exported is the same when it is imported again', async () => {
  const image = await importSample();
  const archive = await exported(image);
  const path = join(directory, 'image.tar');
  writeFileSync(path, archive);
  await using source = await openImageArchive(path);
  const [again, ...others] = await source.images();
  expect(others).toEqual([]);
  expect(again?.name).toBe(image.name);
  expect(again?.target.digest).toBe(image.target.digest);
  expect((await readImage(source, again!)).config.diffIDs).toEqual(samples.diffIDs);
  expect((await exported(again!)).equals(archive)).toBe(true);
});

test('the same images give the same bytes, in whatever order', async () => {
  const [a, b] = [
    { name: 'example.com/a:1', target: await putManifest([], 'a') },
    { name: 'example.com/b:1', target: await putManifest([], 'b') },
  ];
  expect((await exported(a, b)).equals(await exported(b, a))).toBe(true);
});

test('members have no owner, no time, and nobody may write to them', async () => {
  const path = await save(await importSample());
  const lines = execFileSync('/usr/bin/tar', ['--utc', '-tvf', path], { encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(lines.filter((line) => !/^(-r--r--r--|drwxr-xr-x) 0\/0 .* 1970-01-01 00:00 /.test(line))).toEqual(
    [],
  );
  const names = lines.map((line) => line.split(' ').at(-1));
  expect(names).toEqual(names.toSorted());
});

test('names, for containerd and for docker', async () => {
  const target = await putManifest();
  const names = [
    'docker.io/library/a:latest',
    'example.com/b/c:2',
    `docker.io/library/a@${target.digest}`,
    'word',
    undefined,
  ];
  const path = await save(...names.map((name) => ({ name, target })));
  await using source = await openImageArchive(path);
  expect((await source.images()).map(({ name }) => name)).toEqual([
    undefined,
    names[0],
    names[2],
    names[1],
    'word',
  ]);
  expect(member(path, 'manifest.json').map(({ RepoTags }: { RepoTags: string[] }) => RepoTags)).toEqual([
    ['a:latest', 'example.com/b/c:2'],
  ]);
});

describe('an image for several platforms', () => {
  test('has those that are there', async () => {
    const [here, other] = [await putManifest([], 'here'), await putManifest([], 'other')];
    const absent = { ...here, digest: `sha256:${'a'.repeat(64)}` };
    const index = await putIndex([
      { ...absent, platform: { os: 'linux', architecture: 's390x' } },
      { ...other, platform: { os: 'plan9', architecture: 'mips' } },
      { ...here, platform: hostPlatform() },
    ]);
    const path = await save({ name: 'example.com/a:1', target: index });
    await using source = await openImageArchive(path);
    const [image] = await source.images();
    expect(image?.target.digest).toBe(index.digest);
    await source.open(here);
    await source.open(other);
    const [forDocker] = member(path, 'manifest.json');
    const { manifest } = await readImage(source, { name: undefined, target: here });
    expect(forDocker.Config).toBe(blobFile(manifest.config));
  });

  test('is refused when none is there', async () => {
    const manifest = descriptorOf(MEDIA_TYPE.manifest, Buffer.from('elsewhere'));
    const target = await putIndex([manifest]);
    await expect(exported({ name: undefined, target })).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('and an index in an index', async () => {
    const manifest = await putManifest();
    const target = await putIndex([await putIndex([manifest])]);
    const path = await save({ name: undefined, target });
    await using source = await openImageArchive(path);
    expect(await source.open(manifest)).toMatchObject({ offset: 0 });
  });
});

describe('is refused:', () => {
  const refused = (code: string, image: SourceImage) =>
    expect(exported(image)).rejects.toMatchObject({ code });

  test('nothing', () => expect(exported()).rejects.toMatchObject({ code: 'InvalidArgument' }));

  test('an image that is not there', async () => {
    await refused('NotFound', { name: 'a', target: descriptorOf(MEDIA_TYPE.manifest, Buffer.from('x')) });
  });

  test('a layer that is not there', async () => {
    await refused('NotFound', {
      name: 'a',
      target: await putManifest([descriptorOf(MEDIA_TYPE.layer, Buffer.from('x'))]),
    });
  });

  test('a manifest of another size than its descriptor says', async () => {
    const target = await putManifest();
    await refused('DataLoss', { name: 'a', target: { ...target, size: target.size + 1 } });
  });

  test.each(['config', 'layer'])('a damaged %s', async (what) => {
    const image = await importSample();
    await using source = await openImageLayout(samples.layouts['skopeo']!);
    const { manifest } = await readImage(source, image);
    const { digest } = what === 'config' ? manifest.config : manifest.layers[1]!;
    const path = blobPath(content.root, digest);
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
    await expect(exported(image)).rejects.toMatchObject({ code: 'DataLoss', expected: digest });
  });
});

test('a layer that is not to be distributed may be elsewhere', async () => {
  const foreign = {
    ...descriptorOf('application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', Buffer.from('x')),
    urls: ['https://example.com/layer'],
  };
  const target = await putManifest([foreign]);
  await using source = await openImageArchive(await save({ name: 'a', target }));
  await expect(source.open(foreign)).rejects.toMatchObject({ code: 'NotFound' });
});

test('whoever stops listening ends it', async () => {
  const image = await importSample();
  for await (const chunk of exportImages(content.store, [image])) {
    expect(chunk.length).toBeGreaterThan(0);
    break;
  }
});

test('the signal ends it, with its reason', async () => {
  const image = await importSample();
  const controller = new AbortController();
  const work = (async () => {
    for await (const _ of exportImages(content.store, [image], { signal: controller.signal }))
      controller.abort('enough');
  })();
  await expect(work).rejects.toBe('enough');
});
