import { describe, expect, test } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { type Exchange, RegistryProxy, send } from '../../helpers/registry-proxy.js';
import { refuse, useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);

describe('a manifest', () => {
  const altered = async ({ ask, response }: Exchange): Promise<true> => {
    const answer = await ask();
    send(response, {
      ...answer,
      body: Buffer.from(answer.body.map((byte, index) => (index === 9 ? 65 : byte))),
    });
    return true;
  };

  test('that breaks off is asked for again', async () => {
    const { source } = await sample.through('manifests', async ({ before, ask, response }) => {
      if (before > 1) return false;
      const { status, headers, body } = await ask();
      response.writeHead(status, headers);
      response.write(body.subarray(0, 10), () => response.destroy());
      return true;
    });
    const { bytes } = await source.open(sample.image.manifest);
    expect(sample.image.bytes(sample.image.manifest).equals(bytes as Uint8Array)).toBe(true);
  });

  test('that breaks off each time is given up', async () => {
    const { source } = await sample.through('manifests', async ({ ask, response }) => {
      const { status, headers } = await ask();
      response.writeHead(status, headers).flushHeaders();
      response.destroy();
      return true;
    });
    await expect(source.open(sample.image.manifest)).rejects.toMatchObject({
      ...{ name: 'OverlayerError', code: 'Unavailable' },
    });
  });

  test('with other bytes is refused', async () => {
    const { source } = await sample.through('manifests', altered);
    await expect(source.open(sample.image.manifest)).rejects.toMatchObject({
      ...{ code: 'DataLoss', expected: sample.image.manifest.digest },
    });
  });

  test('that is not what its tag was said to be is refused', async () => {
    const { source } = await sample.through('manifests', (exchange) =>
      exchange.request.method === 'HEAD' ? refuse(405)(exchange) : altered(exchange),
    );
    await expect(source.images()).rejects.toMatchObject({
      code: 'DataLoss',
      expected: sample.image.manifest.digest,
    });
  });

  test('with another digest than the one that was asked for is refused', async () => {
    const proxy = await RegistryProxy.start(sample.registry.host, 'manifests', async ({ ask, response }) => {
      const answer = await ask();
      send(response, {
        ...answer,
        headers: { ...answer.headers, 'docker-content-digest': sample.image.config.digest },
      });
      return true;
    });
    await using source = await openRegistry(`${proxy.host}/some/image@${sample.image.manifest.digest}`);
    await expect(source.images()).rejects.toMatchObject({
      code: 'DataLoss',
      actual: sample.image.config.digest,
    });
    await proxy.close();
  });

  test.each([
    [
      'a registry without HEAD',
      (exchange: Exchange) => exchange.request.method === 'HEAD' && refuse(405)(exchange),
    ],
    [
      'a registry that tells no digest',
      async ({ ask, response }: Exchange) => {
        const answer = await ask();
        delete answer.headers['docker-content-digest'];
        send(response, answer);
        return true;
      },
    ],
  ])('of %s is resolved all the same', async (_, meddle) => {
    const { source } = await sample.through('manifests', meddle);
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
  });

  test.each(['HEAD', 'GET'])('of more than 4 MiB is refused (%s)', async (method) => {
    const headers = {
      'content-type': sample.image.manifest.mediaType,
      'docker-content-digest': sample.image.manifest.digest,
    };
    const { source } = await sample.through('manifests', ({ request, response }) => {
      if (request.method === 'HEAD' && method === 'GET') return refuse(405)({ response });
      response.writeHead(200, { ...headers, 'content-length': String((4 << 20) + 1) });
      response.end(request.method === 'HEAD' ? undefined : Buffer.alloc((4 << 20) + 1));
      return true;
    });
    await expect(source.images()).rejects.toMatchObject({ code: 'ResourceExhausted' });
  });

  test('of a form that is no image is refused', async () => {
    const headers = { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' };
    const { source } = await sample.through('manifests', refuse(200, headers, '{}'));
    await expect(source.images()).rejects.toMatchObject({ code: 'Unimplemented' });
  });
});
