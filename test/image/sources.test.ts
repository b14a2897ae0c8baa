import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { detectSource } from '../../src/image/source/detect-source.js';
import type { ImageSource } from '../../src/image/source/image-source.js';
import { inspectImages } from '../../src/image/source/inspect-images.js';
import { openImageArchive, openImageLayout } from '../../src/image/source/open-local-images.js';
import { useContent } from '../content/use-content.js';
import { readBlob, readImage } from '../helpers/read-image.js';
import { ARCHIVES, LAYOUTS, makeSampleImages, pieces, type SampleImages } from '../helpers/sample-images.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// One image in every form that skopeo, umoci and buildah write: it is always the same.

const NAMES: Readonly<Record<string, string>> = {
  umoci: 'sample', // umoci knows tags alone
  'umoci.tar': 'sample',
  'buildah-oci.tar': 'localhost/sample:2',
  'buildah-docker.tar': 'localhost/sample:2',
};
const HUB_NAME = 'docker.io/library/sample:1';

const content = useContent();
let directory: string;
let samples: SampleImages;

beforeAll(() => {
  directory = makeWorkDirectory();
  samples = makeSampleImages(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

async function expectSample(source: ImageSource, form: string): Promise<void> {
  const images = await source.images();
  expect(images.map(({ name }) => name)).toEqual([NAMES[form] ?? HUB_NAME]);
  const { config, paths } = await readImage(source, images[0]!);
  expect(config.diffIDs).toEqual(samples.diffIDs);
  expect(paths[0]).toEqual(expect.arrayContaining(['files/small', 'files/link']));
  expect(paths[1]).toEqual(expect.arrayContaining(['large']));
}

test.each(LAYOUTS)('layout: %s', async (form) => {
  await using source = await openImageLayout(samples.layouts[form]!);
  await expectSample(source, form);
});

test.each(ARCHIVES)('file: %s', async (form) => {
  const compressed = !form.endsWith('.tar');
  await using source = await openImageArchive(
    samples.archives[form]!,
    compressed ? { content: content.store } : {},
  );
  await expectSample(source, form);
});

test.each(ARCHIVES)('pipe in small pieces: %s', async (form) => {
  const pipe = pieces(samples.archives[form]!, 1000);
  await using source = await openImageArchive(pipe, { content: content.store });
  await expectSample(source, form);
});

test.each([...LAYOUTS, ...ARCHIVES])('%s is told by its content', async (form) => {
  const layout = samples.layouts[form];
  expect(await detectSource(layout ?? samples.archives[form]!)).toBe(layout ? 'layout' : 'archive');
});

test('the manifest that is made for an image of docker is the same each time', async () => {
  const path = samples.archives['skopeo-docker.tar']!;
  await using file = await openImageArchive(path);
  await using pipe = await openImageArchive(pieces(path, 70_000), { content: content.store });
  expect(await pipe.images()).toEqual(await file.images());
});

describe('an image is asked for by', () => {
  test.each(['sample:1', HUB_NAME])('%s', async (name) => {
    await using source = await openImageLayout(samples.layouts['skopeo']!, { names: [name] });
    expect((await source.images()).map((image) => image.name)).toEqual([HUB_NAME]);
  });

  test('a tag, where the layout has no more', async () => {
    await using source = await openImageLayout(samples.layouts['umoci']!, { names: ['sample'] });
    expect(await source.images()).toHaveLength(1);
  });

  test('another name, and is not there', async () => {
    const opened = openImageLayout(samples.layouts['skopeo']!, { names: ['sample:2'] });
    await expect(opened).rejects.toMatchObject({
      code: 'NotFound',
      message: expect.stringContaining('"sample:2"'),
      hint: `it has ${HUB_NAME}`,
    });
  });
});

test('a blob is read from its midst', async () => {
  for (const open of [
    () => openImageLayout(samples.layouts['skopeo']!),
    () => openImageArchive(samples.archives['skopeo-oci.tar']!),
    () => openImageArchive(pieces(samples.archives['skopeo-oci.tar']!, 5000), { content: content.store }),
  ]) {
    await using source = await open();
    const [image] = await source.images();
    const { manifest } = await readImage(source, image!);
    for (const blob of [manifest.config, ...manifest.layers]) {
      const whole = await readBlob(source, blob);
      expect((await readBlob(source, blob, 100)).equals(whole.subarray(100))).toBe(true);
      await expect(source.open(blob, { offset: blob.size + 1 })).rejects.toMatchObject({
        code: 'InvalidArgument',
      });
    }
  }
});

test('a file of a source that is not there any more is named', async () => {
  await using layout = await openImageLayout(samples.layouts['skopeo']!);
  const gone = join(directory, 'gone');
  const source = { ...layout, images: () => layout.images(), open: async () => ({ bytes: gone, offset: 0 }) };
  await expect(inspectImages(source)).rejects.toMatchObject({
    code: 'NotFound',
    message: expect.stringContaining(gone),
  });
});

describe('the content store', () => {
  test('has the large blobs of a pipe, held by the lease', async () => {
    const { id } = await content.store.leases.create();
    const pipe = pieces(samples.archives['skopeo-oci.tar']!, 5000);
    await using source = await openImageArchive(pipe, { content: content.store, lease: id });
    await content.store.sweep(async () => () => false, { ingestsIdleMs: 0 });
    await expectSample(source, 'skopeo-oci.tar');
    const held = await content.store.leases.resources(id);
    expect(held.map(({ type }) => type)).toContain('content');
    expect(await content.store.ingests()).toEqual([]);
  });

  test('takes a blob once', async () => {
    const open = () =>
      openImageArchive(pieces(samples.archives['skopeo-oci.tar']!, 5000), { content: content.store });
    await using first = await open();
    await using second = await open();
    await expectSample(first, 'skopeo-oci.tar');
    await expectSample(second, 'skopeo-oci.tar');
  });

  test('is needed for a pipe with a large blob', async () => {
    const opened = openImageArchive(pieces(samples.archives['skopeo-oci.tar']!, 5000));
    await expect(opened).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });
});

test('a file is read where it is, also after it has been replaced', async () => {
  const path = samples.archives['skopeo-oci.tar']!;
  await using source = await openImageArchive(path);
  rmSync(path);
  await expectSample(source, 'skopeo-oci.tar');
});
