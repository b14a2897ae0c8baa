import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { detectSource } from '../../src/image/source/detect-source.js';
import { openImageLayout } from '../../src/image/source/open-local-images.js';
import { parseDigest } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import {
  blobFile,
  describe as descriptorOf,
  json,
  LAYERS,
  layoutFiles,
  writeFiles,
} from '../helpers/hand-made-image.js';
import { readImage } from '../helpers/read-image.js';
import { failureOf } from '../helpers/sandbox.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const LAYER = descriptorOf(MEDIA_TYPE.layer, LAYERS[0]!);

let root: string;
let layout: string;

beforeEach(() => {
  root = makeWorkDirectory();
  layout = join(root, 'layout');
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (changes = {}) => writeFiles(layout, layoutFiles(changes));

test('through a symlink to it', async () => {
  write();
  symlinkSync('layout', join(root, 'link'));
  await using source = await openImageLayout(join(root, 'link'));
  const [image] = await source.images();
  expect((await readImage(source, image!)).paths).toEqual([['one'], ['two']]);
});

test('leaves no file open', async () => {
  write();
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  const source = await openImageLayout(layout);
  await source.open(LAYER);
  await source.close();
  await source.close();
  await expect(source.open(LAYER)).rejects.toMatchObject({ code: 'FailedPrecondition' });
  await expect(openImageLayout(layout, { names: ['other'] })).rejects.toThrow();
  expect(open()).toBe(before);
});

test('an index of several images, some of them without a name', async () => {
  const target = descriptorOf(MEDIA_TYPE.index, Buffer.from('x'));
  const manifests = [
    {
      ...target,
      annotations: {
        'io.containerd.image.name': 'docker.io/library/a:1',
        'org.opencontainers.image.ref.name': '1',
      },
    },
    { ...target, annotations: { 'org.opencontainers.image.ref.name': 'example.com/b:2' } },
    { ...target, annotations: { 'org.opencontainers.image.ref.name': 'tag-alone' } },
    { ...target, annotations: { 'org.opencontainers.image.ref.name': 'Not:A:Reference' } },
    { ...target, annotations: { 'org.opencontainers.image.ref.name': '\u001b[2Jnone' } },
    target,
    { ...target, mediaType: 'application/vnd.example+json' },
  ];
  write({ 'index.json': json({ schemaVersion: 2, manifests }) });
  await using source = await openImageLayout(layout);
  expect((await source.images()).map(({ name }) => name)).toEqual([
    'docker.io/library/a:1',
    'example.com/b:2',
    'tag-alone',
    'Not:A:Reference',
    undefined,
  ]);
});

test('an index that leads to itself is one image, and no more', async () => {
  // No digest can be right here: whoever follows it compares them, and stops.
  const self = { mediaType: MEDIA_TYPE.index, digest: parseDigest(`sha256:${'a'.repeat(64)}`), size: 10 };
  const index = json({ schemaVersion: 2, manifests: [self] });
  write({ 'index.json': index, [blobFile(self)]: index });
  await using source = await openImageLayout(layout);
  expect(await source.images()).toEqual([{ name: undefined, target: self }]);
});

test.each([
  '{}',
  '{"imageLayoutVersion":null}',
  '{"imageLayoutVersion":"1.0"}',
  '{"imageLayoutVersion":"1.1.0"}',
])('a layout whose version is %s', async (text) => {
  write({ 'oci-layout': text });
  await using source = await openImageLayout(layout);
  expect(await source.images()).toHaveLength(1);
});

describe('is refused:', () => {
  const refused = async (code: string, message: string | RegExp) =>
    await expect(openImageLayout(layout)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });

  test('nothing', () => refused('NotFound', 'does not exist'));

  test('a file', async () => {
    writeFileSync(layout, '');
    await refused('InvalidArgument', 'not a directory');
  });

  test('a directory with something else in it', async () => {
    mkdirSync(layout);
    expect(await detectSource(layout)).toBeUndefined();
    await refused('InvalidArgument', 'Not an OCI layout, which has a file oci-layout$');
  });

  test.each<readonly [names: readonly string[], what: string, hint: string]>([
    [['version', 'manifest.json', 'a'.repeat(64)], "skopeo's transport dir:", 'skopeo copy dir:'],
    [['manifest.json', 'repositories'], 'docker save', 'tar -C'],
    [['index.json', 'blobs/x'], 'without its file oci-layout', 'not whole'],
    [['io.containerd.content.v1.content/x'], 'root of a containerd', 'ctr images export'],
    [['image/x', 'overlay2/x', 'volumes/x'], 'root of a docker', 'docker save'],
    [['diff/etc/passwd', 'link', 'lower', 'work/x'], 'a layer in the root of a docker', 'docker save'],
    [['overlay-images/x', 'storage.lock'], 'root of a podman', 'podman save'],
    [['content/x', 'snapshots/x', 'metadata.db'], 'root of an overlayer', '--root'],
    [['config.json', 'rootfs/etc/passwd'], 'a bundle', 'overlayer diff'],
    [['etc/passwd', 'usr/bin/sh', 'bin'], 'a root filesystem', 'overlayer diff'],
  ])('%j is called by its name', async (names, what, hint) => {
    writeFiles(layout, Object.fromEntries(names.map((name) => [name, 'x'])));
    const error = await failureOf(openImageLayout(layout));
    expect(error).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining(what) });
    expect(error.hint).toContain(hint);
  });

  test('a layout of another version', async () => {
    write({ 'oci-layout': json({ imageLayoutVersion: '2.0.0' }) });
    await refused('Unimplemented', '2.0.0');
  });

  test('no image', async () => {
    write({ 'index.json': json({ schemaVersion: 2, manifests: [] }) });
    await refused('NotFound', 'no image');
  });

  test('an index that is a manifest, too (CVE-2021-41190)', async () => {
    write({ 'index.json': json({ schemaVersion: 2, manifests: [], layers: [] }) });
    await refused('InvalidArgument', 'field layers');
  });

  test('an index of 100 MB, of which nothing is read (CVE-2023-25153)', async () => {
    write();
    truncateSync(join(layout, 'index.json'), 100_000_000);
    await refused('ResourceExhausted', '100000000 bytes');
  });

  test('an index that leads out', async () => {
    write();
    renameSync(join(layout, 'index.json'), join(root, 'outside'));
    symlinkSync('../outside', join(layout, 'index.json'));
    await refused('InvalidArgument', '"index.json" is not a file');
  });
});

describe('a blob that is no file of the layout:', () => {
  const open = async () => {
    await using source = await openImageLayout(layout);
    return await source.open(LAYER);
  };
  const blob = () => join(layout, blobFile(LAYER));

  test('missing', async () => {
    write();
    rmSync(blob());
    await expect(open()).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('a symlink, also to a file in the layout', async () => {
    write();
    rmSync(blob());
    symlinkSync('../../index.json', blob());
    await expect(open()).rejects.toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining('cp -rL'),
    });
  });

  test('below a symlink that leads out', async () => {
    write();
    renameSync(join(layout, 'blobs/sha256'), join(root, 'sha256'));
    symlinkSync('../../sha256', join(layout, 'blobs/sha256'));
    await expect(open()).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  test('a directory', async () => {
    write();
    rmSync(blob());
    mkdirSync(blob());
    await expect(open()).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  test('a FIFO, which nobody waits for', async () => {
    write();
    rmSync(blob());
    execFileSync('mkfifo', [blob()]);
    await expect(open()).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});
