import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  copyImage,
  createImageArchive,
  createImageLayout,
  type ImageArchiveFormat,
  type ImageSource,
  openImageArchive,
  openImageLayout,
} from '../../../src/index.js';
import { readImage } from '../../helpers/read-image.js';
import { makeSampleImages, type SampleImages } from '../../helpers/sample-images.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

let samples: SampleImages;
let sampleDirectory: string;
let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(() => {
  sampleDirectory = makeWorkDirectory();
  samples = makeSampleImages(sampleDirectory);
});
afterAll(() => rmSync(sampleDirectory, { recursive: true }));
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

const skopeo = (...args: readonly string[]) => execFileSync('/usr/bin/skopeo', args, { encoding: 'utf8' });
const sample = () => openImageLayout(samples.layouts['skopeo']!);

async function layoutOf(source: ImageSource, options: Parameters<typeof copyImage>[2] = {}) {
  await using target = await createImageLayout(at('layout'));
  return await copyImage(source, target, options);
}

async function archiveOf(format: ImageArchiveFormat, name?: string) {
  await using source = await sample();
  await using target = await createImageArchive(at('image.tar'), { format });
  return await copyImage(source, target, { name });
}

describe('a copy', () => {
  test('to a layout has the same digests, and skopeo reads it', async () => {
    await using source = await sample();
    const [copied] = await layoutOf(source, { name: 'mine' });
    const [image] = await source.images();
    expect(copied!.target.digest).toBe(image!.target.digest);
    expect(JSON.parse(skopeo('inspect', `oci:${at('layout')}:mine`)).Digest).toBe(image!.target.digest);
    expect(readdirSync(at('layout')).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  test('to an OCI archive has the same digest, and skopeo copies it', async () => {
    const [copied] = await archiveOf('oci-archive', 'mine');
    const inspected = JSON.parse(skopeo('inspect', `oci-archive:${at('image.tar')}:mine`));
    expect(inspected.Digest).toBe(copied!.target.digest);
    skopeo(
      'copy',
      '--quiet',
      '--insecure-policy',
      `oci-archive:${at('image.tar')}:mine`,
      `dir:${at('copy')}`,
    );
    expect(readdirSync(directory).sort()).toEqual(['copy', 'image.tar']);
  });

  test.each(['oci-archive', 'docker-archive'] as const)(
    'to %s gives the same bytes each time, whichever layer is compressed first',
    async (format) => {
      const archives: Buffer[] = [];
      for (const concurrency of [1, 4]) {
        await using source = await sample();
        await using target = await createImageArchive(at('image.tar'), { format });
        await copyImage(source, target, {
          compression: format === 'oci-archive' ? 'zstd' : 'none',
          concurrency,
        });
        archives.push(readFileSync(at('image.tar')));
      }
      expect(archives[0]!.equals(archives[1]!)).toBe(true);
    },
  );

  test('to an archive of docker has plain layers, and skopeo reads it', async () => {
    await archiveOf('docker-archive', 'docker.io/library/sample:1');
    const config = JSON.parse(skopeo('inspect', '--config', `docker-archive:${at('image.tar')}:sample:1`));
    expect(config.rootfs.diff_ids).toEqual(samples.diffIDs);
    skopeo('copy', '--quiet', '--insecure-policy', `docker-archive:${at('image.tar')}`, `dir:${at('copy')}`);
    await using source = await openImageArchive(at('image.tar'));
    const [image] = await source.images();
    expect(image!.name).toBe('docker.io/library/sample:1');
    const { manifest } = await readImage(source, image!);
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(samples.diffIDs);
  });

  test.each(['zstd', 'gzip', 'none'] as const)(
    'to %s and back has the same diffIDs and plain layers',
    async (compression) => {
      await using source = await sample();
      await layoutOf(source, { name: 'one', compression });
      await using converted = await openImageLayout(at('layout'));
      const [image] = await converted.images();
      const { manifest, config } = await readImage(converted, image!);
      expect(config.diffIDs).toEqual(samples.diffIDs);
      expect(new Set(manifest.layers.map(({ mediaType }) => /(?:\+\w+|tar)$/.exec(mediaType)![0]))).toEqual(
        new Set([compression === 'none' ? 'tar' : `+${compression}`]),
      );
      skopeo('copy', '--quiet', '--insecure-policy', `oci:${at('layout')}:one`, `dir:${at('copy')}`);
      await using back = await createImageLayout(at('back'));
      await copyImage(converted, back, { compression: 'none' });
      const plain = readFileSync(join(at('back'), 'blobs/sha256', samples.diffIDs[0]!.slice(7)));
      expect(plain.length % 512).toBe(0);
    },
  );
});
