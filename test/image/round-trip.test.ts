import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exportImages } from '../../src/index.js';
import { makeSampleImages, pieces, type SampleImages } from '../helpers/sample-images.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { TestStore } from './use-store.js';

// From an archive into a store, out of it into another archive, and into another store: it stays the same image.

const [first, second] = [new TestStore(), new TestStore()];
let directory: string;
let samples: SampleImages;

beforeAll(() => {
  directory = makeWorkDirectory();
  samples = makeSampleImages(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

test.each(['umoci.tar', 'skopeo-oci.tar.zst', 'skopeo-docker.tar.gz', 'buildah-docker.tar'])(
  '%s',
  async (form) => {
    const [image] = await first.store.import(pieces(samples.archives[form]!, 64 * 1024), {
      name: 'sample:1',
    });
    const { config } = await image!.contents();
    expect(config.diffIDs).toEqual(samples.diffIDs);

    const exported = join(directory, 'exported.tar');
    await pipeline(exportImages(first.store.content, [image!]), createWriteStream(exported));
    const [again] = await second.store.import(exported, {});

    expect([again?.name, again?.target.digest]).toEqual([image!.name, image!.target.digest]);
    expect(await second.contents()).toEqual(await first.contents());
  },
);
