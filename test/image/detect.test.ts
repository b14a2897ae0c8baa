import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { detectSource, detectStream } from '../../src/image/source/detect-source.js';
import { openImageArchive } from '../../src/image/source/open-local-images.js';
import { useContent } from '../content/use-content.js';
import { cut } from '../helpers/decompress.js';
import { archiveOf, dockerFiles, layoutFiles, prefixed } from '../helpers/hand-made-image.js';
import { readImage } from '../helpers/read-image.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const content = useContent();
let directory: string;
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

function save(archive: Uint8Array): string {
  const path = join(directory, 'image.tar');
  writeFileSync(path, archive);
  return path;
}

test('a FIFO by its path', async () => {
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  expect(await detectSource(fifo)).toBeUndefined();
  const path = save(archiveOf(layoutFiles()));
  const writer = execFile('cp', [path, fifo]);
  await using source = await openImageArchive(fifo, { content: content.store });
  expect(await source.images()).toHaveLength(1);
  await once(writer, 'exit');
});

describe('an archive of images is told by its content, whatever else is in it:', () => {
  const layout = layoutFiles();
  const docker = dockerFiles();
  test.each<readonly [what: string, archive: Buffer]>([
    ['an OCI layout', archiveOf(layout)],
    ['a README before it', archiveOf({ README: 'x', ...layout })],
    ['a README behind it', archiveOf({ ...layout, README: 'x' })],
    ['./ and directories', tar(dir('./'), dir('./blobs/'), archiveOf(prefixed(layout, './')))],
    ['images of docker', archiveOf(docker)],
    ['what macOS adds', archiveOf({ '.DS_Store': 'x', '._manifest.json': 'x', ...docker })],
    ['a blob alone at its beginning', archiveOf({ [`blobs/sha256/${'a'.repeat(64)}`]: 'x' })],
  ])('%s', async (_, archive) => {
    for (const bytes of [archive, gzipSync(archive), zstdSync(archive)]) {
      expect(await detectSource(save(bytes))).toBe('archive');
      const detected = await detectStream(cut(bytes, 100));
      expect(detected.kind).toBe('archive');
      expect((await buffer(detected.bytes)).equals(bytes)).toBe(true);
    }
  });
});

test('a stream whose kind was told is all there, and is let go by who leaves it', async () => {
  const bytes = tar(file('etc/passwd', 'x'.repeat(900_000)));
  const given: number[] = [];
  let left = false;
  const source = (async function* () {
    try {
      for (const piece of cut(bytes, 50_000)) {
        given.push(piece.length);
        yield piece;
      }
    } finally {
      left = true;
    }
  })();
  const { kind, bytes: all } = await detectStream(source);
  expect(kind).toBeUndefined();
  expect(given.length).toBeLessThan(10);
  for await (const piece of all) {
    expect(piece).toHaveLength(50_000);
    break;
  }
  await vi.waitFor(() => expect(left).toBe(true));
});

test('without a content store large blobs are kept in a scratch directory, and go with the source', async () => {
  const large = tar(file('large', Buffer.alloc(3_000_000, 'x')));
  for (const files of [layoutFiles({}, [large]), dockerFiles({}, [large])]) {
    const source = await openImageArchive(cut(archiveOf(files), 70_000), { scratch: directory });
    const [image] = await source.images();
    expect((await readImage(source, image!)).paths).toEqual([['large']]);
    expect(readdirSync(directory)).toEqual([]);
    await source.close();
  }
  const nowhere = openImageArchive(cut(archiveOf(layoutFiles({}, [large])), 70_000), {
    scratch: join(directory, 'none'),
  });
  await expect(nowhere).rejects.toMatchObject({ code: 'NotFound', message: expect.stringContaining('none') });
});

describe('what is not an image is told by its content:', () => {
  test.each<readonly [what: string, bytes: Uint8Array]>([
    ['nothing', Buffer.alloc(0)],
    ['zeros', Buffer.alloc(10_000)],
    ['text', Buffer.from('not an archive\n'.repeat(100))],
    ['a layer', tar(file('etc/passwd', ''))],
    ['a layer, compressed', gzipSync(tar(file('etc/passwd', '')))],
    ['a layer with an index.json', tar(file('index.json', '{}'), file('index.html', ''))],
    ['an empty layer', tar()],
    ['damaged gzip', Buffer.concat([gzipSync('x').subarray(0, 12), Buffer.alloc(20)])],
  ])('%s', async (_, bytes) => {
    expect(await detectSource(save(bytes))).toBeUndefined();
  });

  test('and what is not there', async () => {
    await expect(detectSource(join(directory, 'none'))).rejects.toMatchObject({ code: 'NotFound' });
    await expect(openImageArchive(join(directory, 'none'))).rejects.toMatchObject({ code: 'NotFound' });
    await expect(openImageArchive(directory)).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});
