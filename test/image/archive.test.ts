import { createReadStream, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compress as zstdSync } from 'zstd-napi';
import { openImageArchive } from '../../src/image/source/open-local-images.js';
import { OverlayerError } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { useContent } from '../content/use-content.js';
import { cut } from '../helpers/decompress.js';
import {
  archiveOf,
  blobFile,
  describe as descriptorOf,
  dockerFiles,
  type Files,
  json,
  LAYERS,
  layoutFiles,
  prefixed,
} from '../helpers/hand-made-image.js';
import { mutate, mutations } from '../helpers/mutations.js';
import { readImage } from '../helpers/read-image.js';
import { oldGnuSparse } from '../helpers/sparse-members.js';
import { dir, file, hardlink, header, symlink, tar } from '../helpers/tar-builder.js';
import { within } from '../helpers/within.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const XZ = Buffer.concat([Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), Buffer.alloc(1000)]);

const content = useContent();
let directory: string;

beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Puts the archive into a file. */
function save(archive: Uint8Array): string {
  const path = join(directory, 'image.tar');
  writeFileSync(path, archive);
  return path;
}

/** Opens it as a file, and as it comes through a pipe. */
const WAYS = {
  file: (archive: Uint8Array) => openImageArchive(save(archive), { content: content.store }),
  pipe: (archive: Uint8Array) => openImageArchive(cut(archive, 700), { content: content.store }),
} as const;

describe('what an archive can be read from', () => {
  const archive = archiveOf(layoutFiles());

  test.each<[string, () => Parameters<typeof openImageArchive>[0]]>([
    ['a file: URL', () => pathToFileURL(save(archive))],
    ['a Buffer', () => archive],
    ['a Blob', () => new Blob([archive])],
    ['a Response', () => new Response(archive)],
    ['a web stream', () => new Blob([archive]).stream()],
    ['a Node stream', () => createReadStream(save(archive))],
  ])('%s', async (_, source) => {
    await using opened = await openImageArchive(source(), { content: content.store });
    expect((await opened.images()).map(({ name }) => name)).toEqual(['docker.io/library/sample:1']);
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a number', 5],
    ['an http URL', new URL('http://localhost/image.tar')],
  ])('not %s', async (_, source) => {
    const opening = openImageArchive(source as string, { content: content.store });
    await expect(opening).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

describe.each(Object.entries(WAYS))('%s:', (_, open) => {
  const refused = async (archive: Uint8Array, code: string, message = '') =>
    await expect(open(archive)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  const expectSample = async (archive: Uint8Array) => {
    await using source = await open(archive);
    const images = await source.images();
    expect(images.map(({ name }) => name)).toEqual(['docker.io/library/sample:1']);
    expect((await readImage(source, images[0]!)).paths).toEqual([['one'], ['two']]);
  };

  test('an OCI layout', () => expectSample(archiveOf(layoutFiles())));

  test('images of docker', () => expectSample(archiveOf(dockerFiles())));

  test('of both forms in one the OCI layout counts', async () => {
    await expectSample(archiveOf({ ...layoutFiles(), 'manifest.json': 'not JSON' }));
  });

  test('layers of docker that are compressed', async () => {
    const gzipped = LAYERS.map((layer) => gzipSync(layer));
    await using source = await open(archiveOf(dockerFiles({}, gzipped)));
    const { manifest } = await readImage(source, (await source.images())[0]!);
    expect(manifest.layers).toEqual(gzipped.map((layer) => descriptorOf(MEDIA_TYPE.dockerLayerGzip, layer)));
  });

  describe('layers of docker that are in another place by', () => {
    const links = (second: Buffer) => {
      const { [`${'1'.repeat(64)}/layer.tar`]: layer, ...files } = dockerFiles() as Record<string, Buffer>;
      return tar(
        second,
        ...Object.entries(files).map(([name, bytes]) => file(name, bytes)),
        file('real.tar', layer),
      );
    };
    test.each([
      ['a symlink', symlink(`${'1'.repeat(64)}/layer.tar`, '../real.tar')],
      ['a symlink from the root', symlink(`${'1'.repeat(64)}/layer.tar`, 'real.tar')],
      [
        'a symlink that is there twice',
        Buffer.concat([1, 2].map(() => symlink(`${'1'.repeat(64)}/layer.tar`, '../real.tar'))),
      ],
      [
        'a symlink, beside one that dangles',
        Buffer.concat([symlink('x', 'nowhere'), symlink(`${'1'.repeat(64)}/layer.tar`, '../real.tar')]),
      ],
      ['a hard link', hardlink(`${'1'.repeat(64)}/layer.tar`, 'real.tar')],
      ['a hard link with ./', hardlink(`./${'1'.repeat(64)}/layer.tar`, './real.tar')],
      [
        'several links',
        Buffer.concat([
          symlink(`${'1'.repeat(64)}/layer.tar`, '../a/b'),
          dir('a/'),
          symlink('a/b', 'c'),
          hardlink('a/c', 'real.tar'),
        ]),
      ],
    ])('%s', (_, link) => expectSample(links(link)));

    test.each([
      ['a circle', symlink('real.tar', '1.tar'), 'InvalidArgument'],
      ['itself', symlink('real.tar', 'real.tar'), 'InvalidArgument'],
      ['nothing', symlink('real.tar', 'nowhere'), 'NotFound'],
      ['out of the archive', symlink('real.tar', '../../etc/passwd'), 'NotFound'],
      ['the root', symlink('real.tar', '/etc/passwd'), 'NotFound'],
      ['a directory', Buffer.concat([dir('d/'), symlink('real.tar', 'd')]), 'NotFound'],
    ])('a link to %s is refused', async (_, link, code) => {
      const files = dockerFiles({
        'manifest.json': json([{ Config: 'c.json', RepoTags: null, Layers: ['1.tar'] }]),
        'c.json': json({
          os: 'linux',
          architecture: 'amd64',
          rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] },
        }),
      });
      const members = Object.entries(files).map(([name, bytes]) => file(name, bytes));
      await refused(tar(symlink('1.tar', 'real.tar'), link, ...members), code);
    });
  });

  test('an image of docker without a name', async () => {
    const [image] = JSON.parse(dockerFiles()['manifest.json']!.toString());
    const manifest = json([{ ...image, RepoTags: null }]);
    await using source = await open(archiveOf(dockerFiles({ 'manifest.json': manifest })));
    expect((await source.images()).map(({ name }) => name)).toEqual([undefined]);
  });

  test('an image of docker with two names is two images', async () => {
    const [image] = JSON.parse(dockerFiles()['manifest.json']!.toString());
    const manifest = json([{ ...image, RepoTags: ['a:1', 'example.com/b:2'] }]);
    await using source = await open(archiveOf(dockerFiles({ 'manifest.json': manifest })));
    const [first, second] = await source.images();
    expect([first?.name, second?.name]).toEqual(['docker.io/library/a:1', 'example.com/b:2']);
    expect(first?.target).toEqual(second?.target);
  });

  describe('a document that is wrong:', () => {
    const withImage = (change: object): Files => {
      const [image] = JSON.parse(dockerFiles()['manifest.json']!.toString());
      return dockerFiles({ 'manifest.json': json([{ ...image, ...change }]) });
    };
    test.each<readonly [what: string, files: Files, code: string, message: string]>([
      ['an index that is no JSON', layoutFiles({ 'index.json': '{' }), 'InvalidArgument', 'index'],
      [
        'a manifest.json that is no list',
        dockerFiles({ 'manifest.json': '{}' }),
        'InvalidArgument',
        'manifest.json',
      ],
      ['no image', dockerFiles({ 'manifest.json': '[]' }), 'NotFound', 'no image'],
      ['a Config that is no name', withImage({ Config: 1 }), 'InvalidArgument', 'entry 0: field Config'],
      ['a config that is missing', withImage({ Config: 'other.json' }), 'NotFound', '"other.json"'],
      ['a layer that is missing', withImage({ Layers: ['x', 'y'] }), 'NotFound', '"x"'],
      ['a layer too few', withImage({ Layers: [] }), 'InvalidArgument', '0 layers, its config 2'],
      [
        'more names than anybody has',
        withImage({ RepoTags: Array(70_000).fill('a') }),
        'ResourceExhausted',
        '65536',
      ],
      ['a layer of xz', dockerFiles({ [`${'0'.repeat(64)}/layer.tar`]: XZ }), 'Unimplemented', 'xz'],
      ['docker before 1.10', { repositories: '{}' }, 'Unimplemented', '1.10'],
      ['a layer, not an image', { 'etc/passwd': '' }, 'InvalidArgument', 'neither'],
      ['nothing in it', {}, 'InvalidArgument', 'neither'],
    ])('%s', async (_, files, code, message) => {
      await refused(archiveOf(files), code, message);
    });
  });

  test('a blob that is missing', async () => {
    const layer = descriptorOf(MEDIA_TYPE.layer, LAYERS[0]!);
    const { [blobFile(layer)]: _, ...files } = layoutFiles();
    await using source = await open(archiveOf(files));
    await expect(source.open(layer)).rejects.toMatchObject({ code: 'NotFound' });
  });

  test.each(['../index.json', '/index.json', 'a/../index.json', './/index.json', 'index.json/.'])(
    'a name that is a trick is none of an image: %s',
    async (name) => {
      const { 'index.json': index, ...files } = layoutFiles();
      await refused(archiveOf({ [name]: index!, ...files }), 'InvalidArgument', 'neither');
    },
  );

  test('a name that is there twice with the same bytes', async () => {
    const members = Object.entries(dockerFiles()).map(([name, bytes]) => file(name, bytes));
    await expectSample(tar(...members, ...members));
  });

  test('names that documents spell with ./', async () => {
    const [image] = JSON.parse(dockerFiles()['manifest.json']!.toString());
    const Layers = image.Layers.map((name: string) => `./${name}`);
    const manifest = json([{ ...image, Config: `./${image.Config}`, Layers }]);
    await expectSample(archiveOf(dockerFiles({ 'manifest.json': manifest })));
  });

  test('an image of docker that is not whole does not keep the others', async () => {
    const [image] = JSON.parse(dockerFiles()['manifest.json']!.toString());
    const broken = { ...image, RepoTags: ['broken:1'], Layers: ['missing', 'missing'] };
    const manifest = json([broken, { ...image, RepoTags: null, Config: 7 }, image]);
    await expectSample(archiveOf(dockerFiles({ 'manifest.json': manifest })));
  });

  test('one in a directory of its own says in which', async () => {
    await expect(open(archiveOf(prefixed(dockerFiles(), 'img/')))).rejects.toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining('"img"'),
    });
  });

  test('a name that is there twice', async () => {
    const archive = tar(
      ...Object.entries(layoutFiles()).map(([name, bytes]) => file(name, bytes)),
      file('./index.json', json({ schemaVersion: 2, manifests: [] })),
    );
    await refused(archive, 'InvalidArgument', '"index.json" is there twice');
  });

  test('a sparse member', async () => {
    const members = Object.entries(layoutFiles()).map(([name, bytes]) => file(name, bytes));
    await refused(tar(oldGnuSparse('sparse', 9000, [[0, 'x']]), ...members), 'Unimplemented', 'sparse');
  });

  test('cut off anywhere', async () => {
    const archive = archiveOf(layoutFiles());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: archive.length - 1024 }), async (length) => {
        await expect(open(archive.subarray(0, length))).rejects.toMatchObject({
          code: expect.stringMatching(/^(DataLoss|InvalidArgument)$/),
        });
      }),
      { numRuns: 50 },
    );
  });

  test('whatever the bytes are: images, or a typed error', async () => {
    const archives = [archiveOf(layoutFiles()), archiveOf(dockerFiles())];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...archives), mutations, async (archive, changes) => {
        try {
          await using source = await open(mutate(archive, changes));
          for (const image of await source.images()) await source.open(image.target);
        } catch (error) {
          if (!OverlayerError.is(error)) throw error;
          expect(error.code).not.toBe('Internal');
        }
      }),
      { numRuns: 150 },
    );
  });

  test('compressed with xz', async () => {
    await refused(XZ, 'Unimplemented', 'xz');
  });

  test('gzip that is cut off', async () => {
    const gzip = gzipSync(archiveOf(layoutFiles()));
    await refused(gzip.subarray(0, gzip.length - 10), 'DataLoss');
  });
});

describe('a bomb:', () => {
  const refused = async (bomb: Uint8Array, message: string) => {
    await expect(WAYS.file(bomb)).rejects.toMatchObject({
      code: 'ResourceExhausted',
      message: expect.stringContaining(message),
    });
    expect(await content.store.ingests()).toEqual([]);
  };
  const layout = layoutFiles()['oci-layout'];

  test('a document of zeros in gzip', async () => {
    const index = file('index.json', Buffer.alloc(40_000_000));
    await refused(gzipSync(tar(file('oci-layout', layout), index)), '40000000 bytes');
  });

  test('a blob of zeros in zstd', async () => {
    const blob = file(`blobs/sha256/${'a'.repeat(64)}`, Buffer.alloc(100_000_000));
    await refused(zstdSync(tar(blob)), 'maxRatio');
  });

  test('zeros behind the end', async () => {
    await refused(zstdSync(Buffer.concat([archiveOf(layoutFiles()), Buffer.alloc(100_000_000)])), 'maxRatio');
  });
});

test('a document of 100 MB in a file, of which nothing is read (CVE-2023-25153)', async () => {
  const { 'index.json': _, ...files } = layoutFiles();
  const members = Object.entries(files).map(([name, bytes]) => file(name, bytes));
  const path = save(Buffer.concat([...members, header({ name: 'index.json', size: 100_000_000 })]));
  truncateSync(path, 101_000_000); // zeros that fill no disk
  const opened = openImageArchive(path);
  await expect(opened).rejects.toMatchObject({
    code: 'ResourceExhausted',
    message: expect.stringContaining('100000000 bytes'),
  });
});

test('a damaged blob leaves nothing in the content store', async () => {
  const large = Buffer.alloc(2_000_000, 'x');
  const name = `blobs/sha256/${'a'.repeat(64)}`;
  const opened = openImageArchive(cut(archiveOf(layoutFiles({ [name]: large })), 50_000), {
    content: content.store,
  });
  await expect(opened).rejects.toMatchObject({
    code: 'DataLoss',
    expected: `sha256:${'a'.repeat(64)}`,
    actual: descriptorOf('a/b', large).digest,
  });
  expect(await content.store.ingests()).toEqual([]);
  for await (const blob of content.store.walk()) expect.fail(`${blob.digest} is there`);
});

test('a pipe that gives nothing more is left when the signal asks for it', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const pipe = (async function* () {
    yield archiveOf(layoutFiles()).subarray(0, 1000);
    controller.abort(reason);
    await new Promise(() => {});
  })();
  const opened = openImageArchive(pipe, { content: content.store, signal: controller.signal });
  await expect(within(5000, 'the import', opened)).rejects.toBe(reason);
});
