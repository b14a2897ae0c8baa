import { execFileSync } from 'node:child_process';
import { createWriteStream, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportImages, openStore, type Store } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { archiveOf, describe as descriptor, json, layoutFiles } from '../helpers/hand-made-image.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// Layers whose blobs were discarded are exported from their layer files.

const TARS = [tar(dir('d'), file('d/a', 'a'), file('d/b', 'b')), tar(dir('d'), whiteout('d/a'))];
const ARCHIVE = archiveOf(
  layoutFiles(
    {},
    TARS.map((layer) => gzipSync(layer)),
  ),
);

let work: string;
const stores: Store[] = [];
beforeEach(() => {
  work = makeWorkDirectory('disk');
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(work, { recursive: true });
});

async function open(name: string, backend: 'erofs' | 'native'): Promise<Store> {
  const store = await openStore({ root: join(work, name), backend });
  stores.push(store);
  return store;
}

async function discarded(backend: 'erofs' | 'native'): Promise<Store> {
  const store = await open(backend, backend);
  await store.import(ARCHIVE, { name: 'example.com/app:1', keepBlobs: false });
  return store;
}

async function save({ content, snapshots, images }: Store) {
  const path = join(work, 'image.tar');
  const task = exportImages(content, [await images.get('example.com/app:1')], { snapshots });
  await pipeline(task, createWriteStream(path));
  return { path, ...(await task) };
}

test('the tars are exported, and the image imported again has the same config and layers', async () => {
  const store = await discarded('erofs');
  const before = await (await store.images.get('example.com/app:1')).contents();
  const { path, plainLayers } = await save(store);
  expect(plainLayers).toEqual(before.config.diffIDs);
  const other = await open('other', 'native');
  await other.import(path);
  const after = await (await other.images.get('example.com/app:1')).contents();
  expect(after.manifest.config).toEqual(before.manifest.config);
  expect(after.config).toEqual(before.config);
  expect(after.manifest.layers).toEqual(
    TARS.map((layer, at) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: before.config.diffIDs[at],
      size: layer.length,
    })),
  );
  expect(after.descriptor.digest).not.toBe(before.descriptor.digest);
});

test('the same image gives the same bytes', async () => {
  const store = await discarded('erofs');
  const [one, two] = [readFileSync((await save(store)).path), readFileSync((await save(store)).path)];
  expect(one.equals(two)).toBe(true);
});

test('skopeo reads it as an archive of OCI and of docker', async () => {
  const { path, plainLayers } = await save(await discarded('erofs'));
  for (const source of [`oci-archive:${path}:1`, `docker-archive:${path}`]) {
    const copy = join(work, source.slice(0, 3));
    execFileSync('/usr/bin/skopeo', ['copy', '--quiet', '--insecure-policy', source, `oci:${copy}:1`]);
    const config = execFileSync('/usr/bin/skopeo', ['inspect', '--config', `oci:${copy}:1`]);
    expect(JSON.parse(String(config)).rootfs.diff_ids).toEqual(plainLayers);
  }
});

test('an index names the manifest that was written, and keeps the platforms that are absent', async () => {
  const store = await discarded('erofs');
  const image = await store.images.get('example.com/app:1');
  const absent = {
    ...descriptor(MEDIA_TYPE.manifest, json({})),
    platform: { os: 'linux', architecture: 'mips' },
  };
  const { mediaType, digest, size } = image.target;
  const index = json({ schemaVersion: 2, manifests: [absent, { mediaType, digest, size }] });
  await using ingest = await store.content.openIngest('index');
  await ingest.write(index);
  await ingest.commit();
  const path = join(work, 'index.tar');
  const target = descriptor(MEDIA_TYPE.index, index);
  const { content, snapshots } = store;
  await pipeline(
    exportImages(content, [{ name: 'example.com/app:2', target }], { snapshots }),
    createWriteStream(path),
  );
  const other = await open('other', 'native');
  const [imported] = await other.import(path);
  expect(imported!.target.digest).not.toBe(target.digest);
  expect((await imported!.contents()).config).toEqual((await image.contents()).config);
  const written = await buffer(other.content.read(imported!.target.digest));
  expect(JSON.parse(String(written)).manifests[0]).toEqual(absent);
});

test('layers whose blobs are kept stay as they are', async () => {
  const store = await open('kept', 'erofs');
  const { target } = (await store.import(ARCHIVE, { name: 'example.com/app:1' }))[0]!;
  const { path, plainLayers } = await save(store);
  expect(plainLayers).toEqual([]);
  expect(String(execFileSync('/usr/bin/tar', ['-xOf', path, 'index.json']))).toContain(target.digest);
});

test('a damaged tar ends the export', async () => {
  const store = await discarded('erofs');
  const path = join(work, 'erofs/snapshots/1/layer.erofs');
  const bytes = readFileSync(path);
  bytes[4096 + 512 * 2]! ^= 1;
  writeFileSync(path, bytes);
  expect(await failureOf(save(store))).toMatchObject({ code: 'DataLoss' });
});

test('a store of directories needs the blobs, and says how to get them', async () => {
  expect(await failureOf(save(await discarded('native')))).toMatchObject({
    code: 'NotFound',
    hint: expect.stringContaining('without --discard-blobs'),
  });
});
