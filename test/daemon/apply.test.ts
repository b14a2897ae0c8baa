import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ApplyResponse } from '../../src/daemon/layers/diff-messages.js';
import type { MountMessage } from '../../src/daemon/messages.js';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { digestOf, writeBlob } from './content-writer.js';
import { type UsedDaemon, useDaemon } from './use-daemon.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

const mediaType = 'application/vnd.oci.image.layer.v1.tar';
const LAYER = tar(dir('etc'), file('etc/name', 'value'), file('etc/.wh.gone', ''));

/** A daemon that has the layer in its own content store. */
async function useLayer(layer: Uint8Array = LAYER): Promise<UsedDaemon & { readonly diff: object }> {
  const used = await useDaemon();
  await writeBlob(used.connect('content'), 'layer', layer);
  return { ...used, diff: { mediaType, digest: digestOf(layer), size: layer.length } };
}

async function prepare({ connect }: UsedDaemon, key: string): Promise<readonly MountMessage[]> {
  const request = { snapshotter: 'overlayer', key };
  return (await connect('snapshots').ask<MountsResponse>('prepare', request)).mounts;
}

const KEYS = ['default/1/extract-123-abcd sha256:0', 'a key of another kind'];

test.each(KEYS)('a layer becomes a snapshot that is as its manifest says: %s', async (key) => {
  const used = await useLayer();
  const mounts = await prepare(used, key);
  const { applied } = await used.connect('diff').ask<ApplyResponse>('apply', { diff: used.diff, mounts });
  expect(applied).toEqual({ mediaType, digest: digestOf(LAYER), size: LAYER.length, annotations: {} });
  const commit = { snapshotter: 'overlayer', key, name: 'default/2/layer' };
  await used.connect('snapshots').ask('commit', commit);
  expect(readFileSync(join(mounts[0]!.source, 'etc/name'), 'utf8')).toBe('value');
  await expectWholeSnapshots(join(used.directory, 'root'));
});

test("what is said to containerd's processors does not keep a plain layer from us", async () => {
  const used = await useLayer();
  const mounts = await prepare(used, 'key');
  const payloads = { 'io.containerd.ocicrypt.decoder.v1.tar': { typeUrl: 'any', value: Buffer.of(1) } };
  await used.connect('diff').ask('apply', { diff: used.diff, mounts, payloads });
  expect(readFileSync(join(mounts[0]!.source, 'etc/name'), 'utf8')).toBe('value');
});

test('layers that are unpacked at once are put upon each other when they are committed', async () => {
  const base = tar(dir('.', { mode: 0o700 }), dir('etc'), file('etc/gone', ''));
  const used = await useLayer();
  await writeBlob(used.connect('content'), 'base', base);
  const layers = [base, LAYER].map((layer) => ({ mediaType, digest: digestOf(layer), size: layer.length }));
  const keys = ['default/1/extract-1 base', 'default/2/extract-2 next'];
  const prepared = await Promise.all(keys.map((key) => prepare(used, key)));
  await Promise.all(
    prepared.map((mounts, at) => used.connect('diff').ask('apply', { diff: layers[at], mounts })),
  );
  const commit = (key: string, name: string, parent = '') =>
    used.connect('snapshots').ask('commit', { snapshotter: 'overlayer', key, name, parent });
  await commit(keys[0]!, 'base');
  await commit(keys[1]!, 'next', 'base');
  // The root that is seen is that of the upper layer, which does not list it.
  expect(statSync(prepared[1]![0]!.source).mode & 0o777).toBe(0o700);
  expect(lstatSync(join(prepared[1]![0]!.source, 'etc/gone')).isCharacterDevice()).toBe(true);
  await expectWholeSnapshots(join(used.directory, 'root'));
});

test('whiteouts are kept for what may come below', async () => {
  const used = await useLayer();
  const upperdir = join(used.directory, 'upper');
  mkdirSync(upperdir);
  // As containerd 2.2 changes the mounts of layers that it unpacks at once.
  const mounts = [{ type: 'overlay', source: 'overlay', options: [`upperdir=${upperdir}`] }];
  await used.connect('diff').ask('apply', { diff: used.diff, mounts, syncFs: true });
  expect(lstatSync(join(upperdir, 'etc/gone')).isCharacterDevice()).toBe(true);
});

test("another's snapshot does not get less than the layers below would give it", async () => {
  const used = await useLayer(tar(file('not/listed', '')));
  const upperdir = join(used.directory, 'upper');
  mkdirSync(upperdir);
  const mounts = [{ type: 'overlay', source: 'overlay', options: ['rw', `upperdir=${upperdir}`] }];
  const failure = await failureOf(used.connect('diff').ask('apply', { diff: used.diff, mounts }));
  expect(failure.code).toBe('Unimplemented'); // containerd asks its next differ
  expect(failure.message).toContain('"not": the layers below have to be known');
  expect(readdirSync(upperdir)).toEqual([]);
});

test('mounts of other snapshotters are written to as well', async () => {
  const used = await useLayer();
  const source = join(used.directory, 'theirs');
  mkdirSync(join(source, 'etc/gone'), { recursive: true });
  const mounts = [{ type: 'bind', source, options: ['rbind', 'rw'] }];
  await used.connect('diff').ask('apply', { diff: used.diff, mounts });
  expect(readdirSync(join(source, 'etc'))).toEqual(['name']);
});

test("a blob is read through the caller's socket where its file can't be", async () => {
  const theirs = await useLayer();
  const used = await useDaemon({ containerd: theirs.daemon.address });
  const mounts = await prepare(used, 'key');
  await used.connect('diff').ask('apply', { diff: theirs.diff, mounts });
  expect(readdirSync(join(mounts[0]!.source, 'etc')).sort()).toEqual(['gone', 'name']);
  const none = { mediaType, digest: digestOf(Buffer.of(1)), size: 1 };
  const failure = await failureOf(used.connect('diff').ask('apply', { diff: none, mounts }));
  expect(failure.code).toBe('NotFound');
});

describe('nothing stays', () => {
  test('of a layer that is none', async () => {
    const used = await useLayer(Buffer.from('not a layer'));
    const mounts = await prepare(used, 'key');
    const failure = await failureOf(used.connect('diff').ask('apply', { diff: used.diff, mounts }));
    expect(failure.code).toBe('DataLoss');
    expect(readdirSync(mounts[0]!.source)).toEqual([]);
  });

  test('of a caller that goes away', async () => {
    const used = await useLayer(
      tar(...Array.from({ length: 20_000 }, (_, number) => file(`${number}`, 'x'))),
    );
    const mounts = await prepare(used, 'key');
    const gone = new AbortController();
    const apply = used.connect('diff').ask('apply', { diff: used.diff, mounts }, gone.signal);
    const ended = used.nextEntry();
    while (!existsSync(join(mounts[0]!.source, '100'))) await new Promise(setImmediate);
    gone.abort();
    expect((await failureOf(apply)).code).toBe('Cancelled');
    expect(await ended).toMatchObject({ message: 'Diff.Apply', fields: { code: 'Cancelled' } });
    expect(readdirSync(mounts[0]!.source)).toEqual([]);
  });
});

test.each([
  ['no mounts', [], 'InvalidArgument'],
  ['a view', [{ type: 'bind', source: '/', options: ['ro', 'rbind'] }], 'FailedPrecondition'],
  ['a directory that is gone', [{ type: 'bind', source: '/nonexistent', options: ['rw'] }], 'NotFound'],
] as const)('%s can not be written to', async (_, mounts, code) => {
  const used = await useLayer();
  const failure = await failureOf(used.connect('diff').ask('apply', { diff: used.diff, mounts }));
  expect(failure.code).toBe(code);
});
