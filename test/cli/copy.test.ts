import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { DockerRegistry } from '../helpers/docker-registry.js';
import { LAYERS, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { overlayer, temporaryDirectory } from './helpers.js';

let directory: string;
let registry: DockerRegistry;
let root: string;
const LAYOUT = () => join(directory, 'layout');

beforeAll(async () => {
  directory = makeWorkDirectory('disk');
  writeFiles(
    LAYOUT(),
    layoutFiles(
      {},
      LAYERS.map((layer) => gzipSync(layer)),
    ),
  );
  registry = await DockerRegistry.start(join(directory, 'registry'));
  root = join(directory, 'store');
  await using store = await openStore({ root, backend: 'native' });
  await store.import(LAYOUT(), { name: 'sample:1' });
});
afterAll(async () => {
  await registry.kill();
  rmSync(directory, { recursive: true });
});

async function run(...args: readonly string[]): Promise<string> {
  const env = { ...process.env, DOCKER_CONFIG: directory };
  const { code, stdout, stderr } = await overlayer(args, { env });
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return stdout;
}

const digestOf = (location: string) =>
  JSON.parse(execFileSync('skopeo', ['inspect', '--tls-verify=false', location], { encoding: 'utf8' }))
    .Digest;

test('an image is pushed, copied through all forms, and has the same digest', async () => {
  const at = temporaryDirectory();
  const reference = `docker://${registry.host}/app:1`;
  const { images } = JSON.parse(await run('push', 'sample:1', reference, '--root', root, '--json'));
  const [{ target }] = images;
  expect(digestOf(reference)).toBe(target.digest);
  const steps = [
    `oci:${at}/layout:mine`,
    `oci-archive:${at}/image.tar:mine`,
    `docker://${registry.host}/b/app:2`,
  ];
  let from = reference;
  for (const to of steps) {
    await run('copy', from, to);
    expect(digestOf(to)).toBe(target.digest);
    from = to;
  }
  await run('copy', `${at}/image.tar`, 'store:back:1', '--root', `${at}/store`, '--backend', 'native');
  const back = JSON.parse(await run('images', 'inspect', 'back:1', '--root', `${at}/store`, '--json'));
  expect(back.target.digest).toBe(target.digest);
});

test('a stored image is written in the three forms', async () => {
  const at = temporaryDirectory();
  await run('export', 'sample:1', '--format', 'oci-layout', '-o', `${at}/layout`, '--root', root);
  await run('export', 'sample:1', '--format', 'oci-archive', '-o', `${at}/oci.tar`, '--root', root);
  await run('export', 'sample:1', '--format', 'docker-archive', '-o', `${at}/docker.tar`, '--root', root);
  expect(digestOf(`oci:${at}/layout:1`)).toBe(digestOf(`oci-archive:${at}/oci.tar:1`));
  expect(digestOf(`docker-archive:${at}/docker.tar:sample:1`)).toMatch(/^sha256:/);
});

test('an image is converted', async () => {
  const converted = await run(
    'convert',
    'sample:1',
    '-t',
    'sample:zstd',
    '--compression',
    'zstd:1',
    '--root',
    root,
  );
  expect(converted).toContain('Converted sample:1 to docker.io/library/sample:zstd');
  const { manifest } = JSON.parse(await run('images', 'inspect', 'sample:zstd', '--root', root, '--json'));
  expect(manifest.layers[0].mediaType).toBe('application/vnd.oci.image.layer.v1.tar+zstd');
});

test.each([
  [['copy', 'nowhere:x', 'oci:y'], 'nowhere:x'],
  [['copy', 'oci:x', 'y'], 'a location is docker://REF'],
  [
    ['copy', 'docker://a/b', 'docker://c/d', '--username', 'me', '--password-stdin'],
    '--username is for one registry',
  ],
] as const)('a wrong command line is refused: %s', async (args, message) => {
  const { code, stderr } = await overlayer(args);
  expect(code).not.toBe(0);
  expect(stderr).toContain(message);
});
