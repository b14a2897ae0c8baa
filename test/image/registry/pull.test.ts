import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type ImageSource, openRegistry } from '../../../src/index.js';
import type { Descriptor } from '../../../src/oci/descriptor.js';
import { read } from '../../helpers/read-blob.js';
import { RegistryProxy } from '../../helpers/registry-proxy.js';
import { within } from '../../helpers/within.js';
import { useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(300_000);

async function withSource<T>(reference: string, use: (source: ImageSource) => Promise<T>): Promise<T> {
  await using source = await openRegistry(`${sample.registry.host}/${reference}`, { retries: 0 });
  return await use(source);
}

test('a tag is resolved to what was pushed; a registry of this machine needs no TLS', async () => {
  await withSource('some/image:1', async (source) => {
    expect(source.description).toBe(sample.registry.host);
    expect(await source.images()).toEqual([
      { name: `${sample.registry.host}/some/image:1`, target: sample.image.manifest },
    ]);
  });
});

test('a registry is named by an address of IPv6', async () => {
  const { port } = new URL(`http://${sample.registry.host}`);
  const server = createServer((socket) => {
    const behind = connect(Number(port), '127.0.0.1');
    socket
      .pipe(behind)
      .pipe(socket)
      .on('error', () => {});
  });
  server.listen(0, '::1');
  await once(server, 'listening');
  const host = `[::1]:${(server.address() as AddressInfo).port}`;
  await using source = await openRegistry(`${host}/some/image:1`, { retries: 0 });
  expect(await source.images()).toEqual([{ name: `${host}/some/image:1`, target: sample.image.manifest }]);
  server.close();
});

test('a digest is resolved, whatever the tag beside it', async () => {
  await withSource(`some/image:other@${sample.image.manifest.digest}`, async (source) => {
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
  });
});

test('manifest, config and layer are the bytes that were pushed, also all at once', async () => {
  await withSource('some/image:1', async (source) => {
    const blobs = [sample.image.manifest, sample.image.config, sample.image.layer, sample.image.layer];
    const read3 = await Promise.all(blobs.map((blob) => read(source, blob)));
    for (const [index, blob] of blobs.entries())
      expect(read3[index]!.bytes.equals(sample.image.bytes(blob))).toBe(true);
  });
});

test.each([0, 1, 1000, 299_999])('a layer from byte %i on', async (offset) => {
  await withSource('some/image:1', async (source) => {
    const part = await read(source, sample.image.layer, { offset });
    expect(part.offset).toBe(offset);
    expect(part.bytes.equals(sample.image.bytes(sample.image.layer).subarray(offset))).toBe(true);
  });
});

test('from its end on there is nothing, and past it nothing to ask for', async () => {
  await withSource('some/image:1', async (source) => {
    const { size } = sample.image.layer;
    expect(await read(source, sample.image.layer, { offset: size })).toEqual({
      offset: size,
      bytes: Buffer.alloc(0),
    });
    const past = source.open(sample.image.layer, { offset: size + 1 });
    await expect(past).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('what is not there', () => {
  const unknown: Descriptor = {
    ...{ mediaType: 'application/octet-stream', size: 1 },
    digest: `sha256:${'0'.repeat(64)}`,
  };

  test.each(['some/image:2', 'other/image:1', `some/image@${unknown.digest}`])('%s', async (reference) => {
    await withSource(reference, async (source) => {
      await expect(source.images()).rejects.toMatchObject({
        code: 'NotFound',
        message: expect.stringContaining(`${sample.registry.host}/${reference.slice(0, 5)}`),
      });
    });
  });

  test('a blob, whose descriptor names another place: nobody looks there', async () => {
    const elsewhere = await RegistryProxy.start(sample.registry.host, '', () => false);
    await withSource('some/image:1', async (source) => {
      const foreign = {
        ...unknown,
        urls: [`http://${elsewhere.host}/v2/some/image/blobs/${sample.image.layer.digest}`],
      };
      await expect(source.open(foreign)).rejects.toMatchObject({ code: 'NotFound' });
    });
    await elsewhere.close();
    expect(elsewhere.requests).toEqual([]);
  });
});

test('a closed source has no connections, and makes none', async () => {
  const proxy = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
    response.shouldKeepAlive = request.method !== 'HEAD';
    return false;
  });
  const source = await openRegistry(`${proxy.host}/some/image:1`);
  await source.images();
  const { bytes } = await source.open(sample.image.layer);
  expect(proxy.sockets.size).toBeGreaterThan(0);
  const deserted = proxy.deserted();
  await source.close();
  await source.close();
  await within(5000, 'the connections', deserted);
  await expect(source.images()).rejects.toMatchObject({ code: 'FailedPrecondition' });
  await expect((bytes as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'FailedPrecondition',
  });
  await proxy.close();
});

describe('mirrors', () => {
  async function pullThrough(mirrors: readonly string[]) {
    const mirrored = { mirrors: { 'registry.example': mirrors }, retries: 0 };
    await using source = await openRegistry('registry.example/some/image:1', mirrored);
    const [found] = await source.images();
    return { found, layer: (await read(source, sample.image.layer)).bytes };
  }

  test('are asked before the registry, the first that has it', async () => {
    const nothing = await RegistryProxy.start(sample.registry.host, '', ({ response }) => {
      response.writeHead(404).end();
      return true;
    });
    const broken = await RegistryProxy.start(sample.registry.host, '', ({ request }) => {
      request.socket.destroy();
      return true;
    });
    const mirrors = [
      `http://${nothing.host}`,
      `http://${broken.host}/proxy`,
      `http://${sample.registry.host}/`,
    ];
    const { found, layer } = await pullThrough(mirrors);
    expect(found).toEqual({ name: 'registry.example/some/image:1', target: sample.image.manifest });
    expect(layer.equals(sample.image.bytes(sample.image.layer))).toBe(true);
    expect(nothing.requests).toHaveLength(2);
    expect(broken.requests.map(({ url }) => url)).toEqual([
      '/proxy/v2/some/image/manifests/1?ns=registry.example',
    ]);
    await Promise.all([nothing.close(), broken.close()]);
  });

  test('a URL with its own place below /v2 keeps it', async () => {
    const proxy = await RegistryProxy.start(sample.registry.host, '', ({ request }) => {
      request.url = request.url!.replace('/v2/project/', '/v2/');
      return false;
    });
    const { found } = await pullThrough([`http://${proxy.host}/v2/project`]);
    expect(found?.target).toEqual(sample.image.manifest);
    await proxy.close();
  });

  test.each([
    'http://mirror.example',
    'ftp://mirror.example',
    'mirror.example',
    'https://a:b@mirror.example',
  ])('%s is refused', async (url) => {
    await expect(openRegistry('debian', { mirrors: { 'docker.io': [url] } })).rejects.toMatchObject({
      code: 'InvalidArgument',
    });
  });
});
