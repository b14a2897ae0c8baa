import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Descriptor, openRegistry, unpackImage } from '../../../src/index.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { push } from '../../helpers/docker-registry.js';
import { describe as describeBlob, layoutFiles, writeFiles } from '../../helpers/hand-made-image.js';
import { type Exchange, RegistryProxy } from '../../helpers/registry-proxy.js';
import { RegistryTokenServer } from '../../helpers/registry-token-server.js';
import { file, tar } from '../../helpers/tar-builder.js';
import { within } from '../../helpers/within.js';
import { TestStore } from '../use-store.js';
import { useSampleRegistry } from './sample-registry.js';

// No request is made twice, or without need: each takes a round trip, and registries have limits.
const sample = useSampleRegistry(1000);
const place = new TestStore('native');

const requests = (...made: readonly (readonly [method: string, path: string])[]) =>
  made.map(([method, path]) => `${method} /v2/some/image/${path}`);
const documents = () =>
  [
    ['GET', 'manifests/1'],
    ['GET', `blobs/${sample.image.config.digest}`],
  ] as const;
const image = () => [...documents(), ['GET', `blobs/${sample.image.layer.digest}`] as const];

/** The requests so far, which are forgotten. */
const taken = ({ requests: made }: RegistryProxy) =>
  made.splice(0).map(({ method, url }) => `${method} ${url}`);

const CLI = fileURLToPath(new URL('../../../dist/cli/main.cjs', import.meta.url));
const overlayer = (...args: readonly string[]) => promisify(execFile)(process.execPath, [CLI, ...args]);

describe('the command', () => {
  test.each([
    ['unpack', image, (host: string) => ['unpack', `docker://${host}/some/image:1`, `${place.directory}/x`]],
    ['inspect', documents, (host: string) => ['inspect', `docker://${host}/some/image:1`]],
    ['explore', image, (host: string) => ['explore', '--json', `docker://${host}/some/image:1`]],
    ['cat', image, (host: string) => ['cat', `docker://${host}/some/image:1`, 'contents']],
  ] as const)('%s', async (_, expected, command) => {
    const { proxy } = await sample.through('', () => false);
    await overlayer(...command(proxy.host));
    expect(taken(proxy)).toEqual(requests(...expected()));
  });

  test('pull, and pull again', async () => {
    const { proxy } = await sample.through('', () => false);
    const pull = () => overlayer('pull', '--root', place.root, `${proxy.host}/some/image:1`);
    await place.store.close();
    await pull();
    expect(taken(proxy)).toEqual(requests(...image()));
    await pull();
    expect(taken(proxy)).toEqual(requests(['HEAD', 'manifests/1']));
    await place.open();
  });
});

test('an image of an index, from a registry that gives anonymous tokens', async () => {
  const tokens = await RegistryTokenServer.start(() => ({ token: 'anonymous' }));
  onTestFinished(() => tokens.close());
  const index = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: MEDIA_TYPE.index },
      manifests: [{ ...sample.image.manifest, platform: { os: 'linux', architecture: 'amd64' } }],
    }),
  );
  const { source, proxy } = await sample.through('', ({ request, response }: Exchange) => {
    if (request.headers.authorization !== 'Bearer anonymous') {
      const challenge = `Bearer realm="${tokens.url}",service="tests",scope="repository:some/image:pull"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    }
    if (!request.url?.endsWith('manifests/1')) return false;
    response.writeHead(200, { 'content-type': MEDIA_TYPE.index }).end(index);
    return true;
  });
  await unpackImage(source, `${place.directory}/rootfs`, {
    platform: { os: 'linux', architecture: 'amd64' },
  });
  const [manifest, ...blobs] = image();
  const listed = ['GET', `manifests/${sample.image.manifest.digest}`] as const;
  expect(taken(proxy)).toEqual(requests(manifest!, manifest!, listed, ...blobs));
  expect(tokens.requests).toHaveLength(1);
});

test('a second source of a repository gets its token before its first request', async () => {
  const tokens = await RegistryTokenServer.start(() => ({ token: 'anonymous' }));
  onTestFinished(() => tokens.close());
  const { source, proxy } = await sample.through('', ({ request, response }: Exchange) => {
    if (request.headers.authorization === 'Bearer anonymous') return false;
    const challenge = `Bearer realm="${tokens.url}",service="tests",scope="repository:some/image:pull"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
    return true;
  });
  const manifest = documents()[0];
  await source.images();
  expect(taken(proxy)).toEqual(requests(manifest, manifest));
  await using second = await openRegistry(`${proxy.host}/some/image:1`);
  await second.images();
  expect(taken(proxy)).toEqual(requests(manifest));
  expect(tokens.requests).toHaveLength(2);
});

describe('an image of several small layers', () => {
  const layers = ['one', 'two', 'three'].map((name) => gzipSync(tar(file(name, name))));
  const described = layers.map((layer) => describeBlob(MEDIA_TYPE.layerGzip, layer)) as Descriptor[];

  beforeAll(async () => {
    const layout = writeFiles(`${sample.directory}/several`, layoutFiles({}, layers));
    await push({ location: `oci:${layout}:sample:1` }, `${sample.registry.host}/some/several:1`);
  });

  /** Answers no request for a blob before the config and all layers have been requested. */
  async function untilAllAreRequested(): Promise<RegistryProxy> {
    let goOn = () => {};
    const all = new Promise<void>((resolve) => (goOn = resolve));
    const proxy = await RegistryProxy.start(sample.registry.host, 'blobs', async ({ before }) => {
      if (before === layers.length) goOn();
      await all;
      return false;
    });
    onTestFinished(() => proxy.close());
    return proxy;
  }

  test('unpack: a layer that is listed twice is requested once', async () => {
    const twice = [layers[0]!, layers[1]!, layers[0]!];
    const layout = writeFiles(`${sample.directory}/twice`, layoutFiles({}, twice));
    await push({ location: `oci:${layout}:sample:1` }, `${sample.registry.host}/some/twice:1`);
    const proxy = await RegistryProxy.start(sample.registry.host, '', () => false);
    onTestFinished(() => proxy.close());
    await using source = await openRegistry(`${proxy.host}/some/twice:1`);
    await unpackImage(source, `${place.directory}/twice`);
    expect(taken(proxy)).toHaveLength(4);
  });

  test.each(['unpack', 'pull'] as const)(
    '%s: the config and the layers are requested at once',
    async (what) => {
      const proxy = await untilAllAreRequested();
      const reference = `${proxy.host}/some/several:1`;
      if (what === 'pull') await within(20_000, 'the image', place.store.pull(reference));
      else {
        await using source = await openRegistry(reference);
        await within(20_000, 'the image', unpackImage(source, `${place.directory}/rootfs`));
      }
      const made = taken(proxy);
      expect(made).toHaveLength(1 + 1 + layers.length);
      for (const { digest } of described) expect(made).toContain(`GET /v2/some/several/blobs/${digest}`);
    },
  );

  test.each([
    [{ concurrency: 1 }, 1],
    [{ connections: 1 }, 1],
    [{ connections: 2, concurrency: 4 }, 2],
  ])('%j: %i blobs at once', async (options, expected) => {
    let now = 0;
    let most = 0;
    const proxy = await RegistryProxy.start(sample.registry.host, 'blobs', ({ response }) => {
      most = Math.max(most, ++now);
      response.once('finish', () => now--);
      return false;
    });
    onTestFinished(() => proxy.close());
    await place.store.pull(`${proxy.host}/some/several:1`, options);
    expect(most).toBeLessThanOrEqual(expected);
  });
});
