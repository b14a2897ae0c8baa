import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  type ImageSource,
  type ImageVerifier,
  openImageArchive,
  openImageLayout,
  openRegistry,
  parsePlatform,
  type UnpackImageOptions,
  unpackImage,
} from '../../src/index.js';
import { MAIN } from '../cli/helpers.js';
import { cut } from '../helpers/decompress.js';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { archiveOf, dockerFiles, LAYERS, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { EMPTY, TestStore } from './use-store.js';

// Every way by which an image gets into a store or a directory, and a verifier that lets nothing in.

const NAME = 'docker.io/library/sample:1';

const box = new TestStore();
let directory: string;
let registry: DockerRegistry;
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = makeWorkDirectory();
  vi.stubEnv('DOCKER_CONFIG', directory);
  vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
  writeFiles(at('layout'), layoutFiles());
  for (const [form, files] of Object.entries({ oci: layoutFiles(), docker: dockerFiles() })) {
    writeFileSync(at(`${form}.tar`), archiveOf(files));
    writeFileSync(at(`${form}.tar.gz`), gzipSync(archiveOf(files)));
  }
  registry = await DockerRegistry.start(at('registry'));
  await push({ location: `oci:${at('layout')}:sample:1` }, `${registry.host}/sample:1`);
});
afterAll(async () => {
  await registry.kill();
  rmSync(directory, { recursive: true });
});

const asked = vi.fn<ImageVerifier>(() => ({ ok: false, reason: 'not today' }));

/** What every door takes. */
type Policy = Pick<UnpackImageOptions, 'verify' | 'limits' | 'platform'>;

const refuses: Policy = { verify: { directory: '/nowhere', verifiers: [asked] } };

const unpack = async (source: ImageSource | Promise<ImageSource>, policy: Policy) => {
  await using opened = await source;
  await unpackImage(opened, join(box.directory, 'rootfs'), policy);
};
const pipe = () => cut(archiveOf(layoutFiles()), 700);
const reference = () => `${registry.host}/sample:1`;
const ownSource = async (): Promise<ImageSource> => {
  const source = await openImageLayout(at('layout'));
  const { description } = source;
  return {
    description,
    images: () => source.images(),
    open: (blob, options) => source.open(blob, options),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
};

const DOORS: Readonly<Record<string, (policy: Policy) => PromiseLike<unknown>>> = {
  'store.pull': (policy) => box.store.pull(reference(), policy),
  'store.import, layout': (policy) => box.store.import(at('layout'), policy),
  'store.import, OCI archive': (policy) => box.store.import(at('oci.tar'), policy),
  'store.import, compressed OCI archive': (policy) => box.store.import(at('oci.tar.gz'), policy),
  'store.import, docker archive': (policy) => box.store.import(at('docker.tar'), policy),
  'store.import, compressed docker archive': (policy) => box.store.import(at('docker.tar.gz'), policy),
  'store.import, pipe': (policy) => box.store.import(pipe(), policy),
  'store.import, opened source': async (policy) => {
    await using source = await ownSource();
    await box.store.import(source, policy);
  },
  'unpackImage, registry': (policy) => unpack(openRegistry(reference()), policy),
  'unpackImage, layout': (policy) => unpack(openImageLayout(at('layout')), policy),
  'unpackImage, OCI archive': (policy) => unpack(openImageArchive(at('oci.tar')), policy),
  'unpackImage, docker archive': (policy) => unpack(openImageArchive(at('docker.tar')), policy),
  'unpackImage, pipe': (policy) => unpack(openImageArchive(pipe()), policy),
  'unpackImage, a source of its own': (policy) => unpack(ownSource(), policy),
};

test.each(Object.entries(DOORS))(
  '%s: a verifier that refuses stops it, and nothing stays',
  async (door, enter) => {
    asked.mockClear();
    await expect(enter(refuses)).rejects.toMatchObject({
      code: 'PermissionDenied',
      message: expect.stringMatching(/^Image ".*sample:1" is refused: not today$/),
    });
    const name = door.includes('registry') || door === 'store.pull' ? reference() : NAME;
    const target = {
      digest: expect.stringMatching(/^sha256:/),
      mediaType: expect.stringContaining('manifest'),
    };
    expect(asked.mock.calls).toEqual([[name, expect.objectContaining(target), expect.anything()]]);
    expect(await box.contents()).toEqual(EMPTY);
    expect(existsSync(join(box.directory, 'rootfs'))).toBe(false);
  },
);

test.each(Object.entries(DOORS))('%s: limits and platforms hold', async (_, enter) => {
  const verify = { directory: '/nowhere' };
  await expect(enter({ verify, limits: { maxBytes: 1000 } })).rejects.toMatchObject({
    code: 'ResourceExhausted',
  });
  await expect(enter({ verify, platform: parsePlatform('linux/s390x') })).rejects.toMatchObject({
    code: 'NotFound',
    message: expect.stringContaining('is not for linux/s390x, but for linux/amd64'),
  });
  expect(await box.contents()).toEqual(EMPTY);
  expect(existsSync(join(box.directory, 'rootfs'))).toBe(false);
});

test('of several images none gets in when one is refused', async () => {
  const index = JSON.parse(layoutFiles()['index.json']!.toString());
  const [first] = index.manifests;
  const other = { ...first, annotations: { 'org.opencontainers.image.ref.name': 'other:1' } };
  const files = layoutFiles({ 'index.json': JSON.stringify({ ...index, manifests: [first, other] }) });
  const refusesOther: ImageVerifier = (name) => ({ ok: !name.includes('other'), reason: '' });
  const imported = box.store.import(cut(archiveOf(files), 700), {
    verify: { directory: '/nowhere', verifiers: [refusesOther] },
  });
  await expect(imported).rejects.toMatchObject({ code: 'PermissionDenied' });
  expect(await box.contents()).toEqual(EMPTY);
});

test('an image that is made here is a new one: store.createImage', async () => {
  asked.mockClear();
  const made = box.store.createImage({ name: NAME, layers: [{ archive: LAYERS[0]! }], ...refuses });
  await expect(made).rejects.toMatchObject({ code: 'PermissionDenied' });
  expect(asked).toHaveBeenCalledTimes(1);
  expect(await box.contents()).toEqual(EMPTY);
  const limited = box.store.createImage({
    ...{ name: NAME, layers: [{ archive: LAYERS[1]! }], verify: { directory: '/nowhere' } },
    limits: { maxBytes: 1000 },
  });
  await expect(limited).rejects.toMatchObject({ code: 'ResourceExhausted' });
  expect(await box.contents()).toEqual(EMPTY);
});

test('an image that is converted is a new one: store.convert', async () => {
  await box.store.import(at('layout'));
  const before = await box.contents();
  asked.mockClear();
  const converted = box.store.convert(NAME, 'sample:2', { compression: 'zstd', ...refuses });
  await expect(converted).rejects.toMatchObject({ code: 'PermissionDenied' });
  expect(asked).toHaveBeenCalledTimes(1);
  expect(await box.contents()).toEqual(before);
});

test('an image of the store was asked about when it came in', async () => {
  const [image] = await box.store.import(at('layout'));
  asked.mockClear();
  await image!.unpackTo(join(box.directory, 'rootfs'));
  expect(readdirSync(join(box.directory, 'rootfs'))).toEqual(['one', 'two']);
  expect(asked).not.toHaveBeenCalled();
});

describe('the command line asks the programs of containerd’s directory:', () => {
  const command = (...args: readonly string[]) => {
    const script = `
      set -e
      mkdir -p /opt && mount -t tmpfs tmpfs /opt && mkdir -p /opt/containerd/image-verifier/bin
      cp "$VERIFIER" /opt/containerd/image-verifier/bin/no
      exec "$@"`;
    writeFileSync(at('no'), '#!/bin/sh\necho never\nexit 1\n');
    chmodSync(at('no'), 0o755);
    const all = ['-m', 'sh', '-c', script, 'sh', process.execPath, MAIN, ...args];
    return spawnSync('unshare', all, {
      env: { ...process.env, VERIFIER: at('no') },
      input: archiveOf(layoutFiles()),
      encoding: 'utf8',
    });
  };

  test.each<readonly [door: string, args: () => readonly string[]]>([
    ['pull', () => ['pull', reference(), '--root', join(box.directory, 'cli')]],
    ['import FILE', () => ['import', at('docker.tar'), '--root', join(box.directory, 'cli')]],
    ['import -', () => ['import', '-', '--root', join(box.directory, 'cli')]],
    ['unpack docker://', () => ['unpack', `docker://${reference()}`, join(box.directory, 'out')]],
    ['unpack DIR', () => ['unpack', at('layout'), join(box.directory, 'out')]],
    ['unpack FILE', () => ['unpack', at('oci.tar'), join(box.directory, 'out')]],
  ])('%s', (_, args) => {
    const { status, stderr } = command(...args());
    expect(stderr).toContain('is refused: verifier no rejected image (exit code 1): never');
    expect(status).toBe(7);
    expect(existsSync(join(box.directory, 'out'))).toBe(false);
  });
});
