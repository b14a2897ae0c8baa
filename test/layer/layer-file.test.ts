import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MODE } from '../../src/erofs/format.js';
import { ErofsTree, TAR_OFFSET } from '../../src/erofs/index.js';
import {
  OverlayerError,
  planLayer,
  readErofsLayer,
  readErofsTar,
  unpackLayer,
  verifyErofsLayer,
} from '../../src/index.js';
import { imageOf } from '../erofs/image.js';
import { layerFileOf } from '../helpers/layer-file.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { readTree, sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const content = 'content '.repeat(2000);
const archive = tar(dir('etc'), file('etc/hosts', content), file('etc/last', 'last'));
const diffID = `sha256:${sha256(archive)}`;
const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };
/** Offset of the data of etc/hosts in the layer file: behind two headers. */
const HOSTS = TAR_OFFSET + 1024;

function sampleTree(): ErofsTree {
  const tree = new ErofsTree();
  const etc = tree.addInode(MODE.directory, { ...attributes, mode: 0o755 });
  tree.link(tree.root, 'etc', etc);
  for (const [name, size, offset] of [
    ['hosts', content.length, HOSTS],
    ['last', 4, TAR_OFFSET + archive.indexOf('last\0', 1024 + content.length + 500)],
  ] as const) {
    const inode = tree.addInode(MODE.file, attributes);
    tree.setFile(inode, size, Math.floor(offset / 512) * 512);
    tree.link(etc, name, inode);
  }
  return tree;
}

const LAYER = layerFileOf(archive, sampleTree());
const METADATA = TAR_OFFSET + archive.length;

const work = makeWorkDirectory();
const path = join(work, 'layer.erofs');
writeFileSync(path, LAYER);
afterAll(() => rmSync(work, { recursive: true }));

async function failureOf(task: PromiseLike<unknown>): Promise<OverlayerError> {
  return await task.then(
    () => Promise.reject(new Error('it worked')),
    (error: unknown) => (OverlayerError.is(error) ? error : Promise.reject(error)),
  );
}

test('the head of a layer file names its tar', () => {
  expect(readErofsLayer(path)).toEqual({
    ...{ path, diffID, size: LAYER.length, entries: 3, whiteouts: 0, inodes: 4, dependsOnLowers: false },
    tar: { path, offset: TAR_OFFSET, length: archive.length },
  });
});

test('the tar of a layer file is read byte for byte', async () => {
  const task = readErofsTar(path);
  expect(await buffer(task)).toEqual(archive);
  expect(await task).toEqual(readErofsLayer(path));
});

describe('a layer file is a source of a layer', () => {
  test('that is unpacked', async () => {
    const [one, other] = [join(work, 'one'), join(work, 'other')];
    const layer = await unpackLayer(path, one);
    expect(layer).toMatchObject({ diffID, digest: diffID, compression: 'none', size: archive.length });
    await unpackLayer(archive, other);
    expect(readTree(one)).toEqual(readTree(other));
  });

  test('that is planned, and whose damage is found by its own diffID', async () => {
    const damaged = Buffer.from(LAYER);
    damaged[HOSTS]! ^= 1;
    writeFileSync(join(work, 'damaged'), damaged);
    expect(await planLayer(path)).toMatchObject({ diffID, entries: 3 });
    expect(await failureOf(planLayer(join(work, 'damaged')))).toMatchObject({
      code: 'DataLoss',
      expected: diffID,
    });
  });
});

describe('a verification', () => {
  test('of a whole file reports its progress and its head', async () => {
    const task = verifyErofsLayer(path);
    const seen: number[] = [];
    for await (const { bytes, size } of task) {
      expect(size).toBe(LAYER.length);
      seen.push(bytes);
    }
    expect(seen.at(-1)).toBe(LAYER.length - TAR_OFFSET);
    expect(await task).toEqual(readErofsLayer(path));
  });

  test.each<[what: string, change: (file: Buffer) => void, found: object]>([
    ['a bit of the head', (file) => (file[40]! ^= 1), { message: /head is wrong/, offset: 1020 }],
    [
      'a bit of the superblock',
      (file) => (file[1024 + 0x30]! ^= 1),
      { message: /checksum of the superblock/, offset: 1024 },
    ],
    ['a byte behind the superblock', (file) => (file[3000] = 1), { message: /not zero/, offset: 1536 }],
    [
      'data of a file',
      (file) => (file[HOSTS]! ^= 1),
      { message: /another diffID/, offset: TAR_OFFSET, expected: diffID },
    ],
    [
      'a header of the tar',
      (file) => (file[TAR_OFFSET + 512 + 100]! ^= 1),
      { message: /another diffID.*checksum/, offset: TAR_OFFSET + 512 },
    ],
    [
      'an inode',
      (file) => (file[METADATA + 5]! ^= 0x80),
      { message: /root is not a directory|unknown type/, offset: METADATA },
    ],
    [
      'an owner',
      (file) => (file[METADATA + 24]! ^= 1),
      { message: /checksum of its head/, offset: METADATA },
    ],
    [
      'the last byte',
      (file) => (file[file.length - 1] = 1),
      { message: /checksum of its head/, offset: METADATA },
    ],
  ])('finds a change of %s', async (_, change, { message, ...found }: { message?: RegExp }) => {
    const damaged = Buffer.from(LAYER);
    change(damaged);
    writeFileSync(join(work, 'damaged'), damaged);
    const error = await failureOf(verifyErofsLayer(join(work, 'damaged')));
    expect(error).toMatchObject({ code: 'DataLoss', ...found });
    expect(error.message).toMatch(message!);
  });

  test.each([1, 1024, 4096, LAYER.length - 4096, LAYER.length - 1])(
    'finds that %i bytes are left',
    async (length) => {
      writeFileSync(join(work, 'cut'), LAYER.subarray(0, length));
      const { code } = await failureOf(verifyErofsLayer(join(work, 'cut')));
      expect(code).toBe(length < 16 ? 'InvalidArgument' : 'DataLoss');
    },
  );

  test('of another file, of another version, of no file', async () => {
    writeFileSync(join(work, 'tar'), archive);
    expect(await failureOf(verifyErofsLayer(join(work, 'tar')))).toMatchObject({ code: 'InvalidArgument' });
    expect(await failureOf(verifyErofsLayer(join(work, 'none')))).toMatchObject({ code: 'NotFound' });
    expect(await failureOf(verifyErofsLayer(work))).toMatchObject({ code: 'FailedPrecondition' });
  });

  test('ends with its signal', async () => {
    await expect(verifyErofsLayer(path, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
    await expect(readErofsTar(path, { signal: AbortSignal.abort('enough') })).rejects.toBe('enough');
  });
});

describe('a read error', () => {
  let namespace: MountNamespace;
  beforeAll(async () => {
    namespace = await MountNamespace.start('root');
  });
  afterAll(() => namespace.close());

  test('is found at its offset, and the file that has its data there is named', async () => {
    // The kernel can't read one part of this file: its block is behind the end of the image.
    const tree = new ErofsTree();
    const inode = tree.addInode(MODE.file, attributes);
    const bad = 1;
    const parts = Array.from({ length: LAYER.length / 4096 }, (_, chunk) => ({
      ...{ chunk, count: 1 },
      offset: chunk === bad + 1 ? 2 ** 40 : 4096 * (chunk + 1),
    }));
    tree.setSparse(inode, LAYER.length, { chunkBits: 12, parts });
    tree.link(tree.root, 'layer.erofs', inode);
    writeFileSync(join(work, 'outer'), imageOf(tree, LAYER));
    mkdirSync(join(work, 'mounted'));
    await namespace.run(`mount -t erofs -o loop ${join(work, 'outer')} ${join(work, 'mounted')}`);
    const seen = namespace.view(join(work, 'mounted/layer.erofs'));
    expect(await failureOf(verifyErofsLayer(seen))).toMatchObject({
      ...{ code: 'DataLoss', errno: 'EIO', offset: 4096 * (bad + 1), entry: 'etc/hosts' },
    });
  });
});
