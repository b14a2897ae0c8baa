import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type ImageTarget,
  openImageLayout,
  openRegistry,
  openRegistryTarget,
  parseReference,
} from '../../../../src/index.js';
import { DockerRegistry, makeSampleImage, type SampleImage } from '../../../helpers/docker-registry.js';
import { read } from '../../../helpers/read-blob.js';
import { RegistryTokenServer, TokenSigner } from '../../../helpers/registry-token-server.js';
import { makeWorkDirectory } from '../../../helpers/work-directory.js';
import { copyAll, newBlob, sha256 } from './new-blob.js';

const MIB = 1024 ** 2;
const CREDENTIALS = { username: 'user', password: 'secret' };
const directory = makeWorkDirectory();
let image: SampleImage;
let registry: DockerRegistry;

beforeAll(async () => {
  image = makeSampleImage(directory, randomBytes(3 * MIB));
  registry = await DockerRegistry.start(join(directory, 'registry'));
});
afterAll(async () => {
  await registry.kill();
  rmSync(directory, { recursive: true });
});

async function pushImage(target: ImageTarget): Promise<void> {
  await using source = await openImageLayout(join(directory, 'layout'));
  await copyAll(source, target);
}

async function expectThere(name: string, options = {}): Promise<void> {
  await using source = await openRegistry(name, options);
  expect((await source.images())[0]?.target).toEqual(image.manifest);
  for (const blob of [image.config, image.layer]) {
    const { bytes } = await read(source, blob);
    expect(bytes.equals(image.bytes(blob))).toBe(true);
  }
}

test('an image that was pushed is the one that is pulled, by skopeo too; a second push sends no blob', async () => {
  const name = `${registry.host}/plain/image:1`;
  await using target = await openRegistryTarget(name);
  await pushImage(target);
  await expectThere(name);
  const raw = execFileSync('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
  expect(sha256(raw)).toBe(image.manifest.digest);
  for (const blob of [image.manifest, image.config, image.layer]) expect(await target.has(blob)).toBe(true);
});

test('a blob of another repository is mounted', async () => {
  await using first = await openRegistryTarget(`${registry.host}/mounted/from:1`);
  await pushImage(first);
  await using target = await openRegistryTarget(`${registry.host}/mounted/to:1`);
  expect(await target.has(image.layer)).toBe(false);
  const origins = [parseReference(`${registry.host}/mounted/from:1`)];
  expect(await target.has(image.layer, { origins })).toBe(true);
  expect(await target.has(image.layer)).toBe(true);
});

test('a blob without a digest', async () => {
  await using target = await openRegistryTarget(`${registry.host}/unknown/image:1`);
  const { mediaType, open, digest, size } = newBlob(randomBytes(17 * MIB));
  expect(await target.writeBlob({ mediaType, open })).toEqual({ mediaType, digest, size });
  expect(await target.has({ mediaType, digest, size })).toBe(true);
});

test('an index keeps its bytes, annotations and platforms', async () => {
  const name = `${registry.host}/index/image:1`;
  await using target = await openRegistryTarget(name);
  await pushImage(target);
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const platform = { architecture: 'riscv64', os: 'linux' };
  const manifests = [{ ...image.manifest, platform, annotations: { 'a.b': 'c' } }];
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests, annotations: { d: 'e' } }),
  );
  const index = { mediaType, digest: sha256(bytes), size: bytes.length };
  await target.writeManifest(index, bytes);
  await target.name('ignored', index, bytes);
  await using source = await openRegistry(name);
  const [found] = await source.images();
  expect(found?.target).toEqual(index);
  expect((await read(source, index)).bytes.equals(bytes)).toBe(true);
});

test('a manifest whose blobs are missing is refused in the words of the registry, and is not there', async () => {
  await using target = await openRegistryTarget(`${registry.host}/lacking/image:1`);
  const bytes = image.bytes(image.manifest);
  await expect(target.writeManifest(image.manifest, bytes)).rejects.toMatchObject({
    message: expect.stringContaining('"blob unknown to registry"'),
  });
  expect(await target.has(image.manifest)).toBe(false);
});

test('a name with a digest is given to no other manifest', async () => {
  await using target = await openRegistryTarget(
    `${registry.host}/digest/image@${sha256(Buffer.from('other'))}`,
  );
  await expect(target.name(undefined, image.manifest, image.bytes(image.manifest))).rejects.toMatchObject({
    code: 'InvalidArgument',
  });
});

test('a referrer is listed under the fallback tag', async () => {
  await using target = await openRegistryTarget(`${registry.host}/referrer/image:1`);
  await pushImage(target);
  const empty = newBlob(Buffer.from('{}'));
  await target.writeBlob(empty);
  const config = { mediaType: 'application/vnd.example.signature', digest: empty.digest, size: 2 };
  const manifest = { schemaVersion: 2, mediaType: image.manifest.mediaType, config, layers: [config] };
  const bytes = Buffer.from(JSON.stringify({ ...manifest, subject: image.manifest }));
  const referrer = { mediaType: image.manifest.mediaType, digest: sha256(bytes), size: bytes.length };
  await target.writeManifest(referrer, bytes);
  const tag = image.manifest.digest.replace(':', '-');
  const list = await fetch(`http://${registry.host}/v2/referrer/image/manifests/${tag}`, {
    headers: { accept: 'application/vnd.oci.image.index.v1+json' },
  });
  expect(await list.json()).toMatchObject({ manifests: [{ ...referrer, artifactType: config.mediaType }] });
});

test('a registry that is killed and starts again in mid-push gets the whole image', async () => {
  const own = await DockerRegistry.start(join(directory, 'killed'));
  await using target = await openRegistryTarget(`${own.host}/some/image:1`);
  const blob = newBlob(randomBytes(12 * MIB));
  let restarting: Promise<void> | undefined;
  const onBytes = (sent: number) => {
    if (sent > MIB) restarting ??= own.kill().then(() => own.restart());
  };
  await target.writeBlob(blob, { onBytes });
  await restarting;
  expect(await target.has(blob)).toBe(true);
  await pushImage(target);
  await expectThere(`${own.host}/some/image:1`);
  await own.kill();
});

test('connections that are cut at random offsets', async () => {
  const cuts = Array.from({ length: 4 }, () => 1000 + Math.floor(Math.random() * 3 * MIB));
  const told = String(cuts);
  const [, port = ''] = registry.host.split(':');
  const server = createServer((client) => {
    const behind = connect(Number(port), '127.0.0.1');
    for (const socket of [client, behind]) socket.on('error', () => {});
    client.on('close', () => behind.destroy());
    behind.on('close', () => client.destroy());
    behind.pipe(client);
    client.on('data', (chunk: Buffer) => {
      behind.write(chunk);
      if (cuts[0] !== undefined && client.bytesRead >= cuts[0]) {
        cuts.shift();
        client.destroy();
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: own } = server.address() as AddressInfo;
  const target = await openRegistryTarget(`127.0.0.1:${own}/cut/image:1`);
  await pushImage(target);
  const { mediaType, open, digest, size } = newBlob(randomBytes(10 * MIB));
  await target.writeBlob({ mediaType, open });
  expect(await target.has({ mediaType, digest, size }), `cut at ${told}`).toBe(true);
  await target.close();
  server.close();
  await expectThere(`${registry.host}/cut/image:1`);
});

test('a registry that wants a name and a password', async () => {
  const htpasswd = join(directory, 'htpasswd');
  // bcrypt of "secret"
  writeFileSync(htpasswd, 'user:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n');
  const auth = { htpasswd: { realm: 'tests', path: htpasswd } };
  const own = await DockerRegistry.start(join(directory, 'htpasswd-registry'), auth);
  const name = `${own.host}/some/image:1`;
  await using stranger = await openRegistryTarget(name, { retries: 0 });
  await expect(pushImage(stranger)).rejects.toMatchObject({
    code: 'Unauthenticated',
    hint: expect.stringContaining('docker login'),
  });
  await using target = await openRegistryTarget(name, { credentials: CREDENTIALS });
  await pushImage(target);
  await expectThere(name, { credentials: CREDENTIALS });
  await own.kill();
});

test('a registry that wants tokens: those of a push may push, and mount', async () => {
  const signer = new TokenSigner(directory);
  const tokens = await RegistryTokenServer.start(({ query }) => {
    const access = query.getAll('scope').map((scope) => {
      const [, name = '', actions = ''] = scope.split(':');
      return { name, actions: actions.split(',') };
    });
    return { token: signer.sign(...access) };
  });
  const own = await DockerRegistry.start(join(directory, 'token-registry'), signer.auth(tokens.url));
  const name = `${own.host}/some/image:1`;
  await using target = await openRegistryTarget(name, { credentials: CREDENTIALS });
  await pushImage(target);
  await expectThere(name, { credentials: CREDENTIALS });
  expect(tokens.requests[0]?.query.getAll('scope')).toEqual(['repository:some/image:pull,push']);
  await using other = await openRegistryTarget(`${own.host}/other/image:1`, { credentials: CREDENTIALS });
  expect(await other.has(image.layer, { origins: [parseReference(name)] })).toBe(true);
  await own.kill();
  await tokens.close();
});
