import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { MEDIA_TYPE } from '../../../src/oci/media-types.js';
import { read } from '../../helpers/read-blob.js';
import { type Exchange, type Meddling, RegistryProxy, send } from '../../helpers/registry-proxy.js';
import { refuse, useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);

/** What the registry says, with other headers; undefined takes one away. */
const answering =
  (headers: Readonly<Record<string, string | undefined>>, body?: Buffer): Meddling =>
  async ({ ask, response }) => {
    const answer = await ask();
    const length = String((body ?? answer.body).length);
    const altered = Object.entries({ ...answer.headers, 'content-length': length, ...headers });
    send(response, {
      status: answer.status,
      headers: Object.fromEntries(altered.filter(([, value]) => value !== undefined)),
      body: body ?? answer.body,
    });
    return true;
  };

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
    const { source } = await sample.through('manifests', altered);
    await expect(source.images()).rejects.toMatchObject({
      code: 'DataLoss',
      expected: sample.image.manifest.digest,
    });
  });

  test('with another digest than the one that was asked for is refused', async () => {
    const proxy = await RegistryProxy.start(sample.registry.host, 'manifests', altered);
    await using source = await openRegistry(`${proxy.host}/some/image@${sample.image.manifest.digest}`);
    await expect(source.images()).rejects.toMatchObject({
      code: 'DataLoss',
      expected: sample.image.manifest.digest,
    });
    await proxy.close();
  });

  test.each([
    ['none', undefined],
    ['one of another kind', `sha512:${'0'.repeat(128)}`],
  ])('whose registry tells no digest, or %s, is what its bytes are', async (_, digest) => {
    const { source } = await sample.through('manifests', answering({ 'docker-content-digest': digest }));
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
  });

  test('of more than 4 MiB is refused', async () => {
    const headers = { 'content-type': sample.image.manifest.mediaType };
    const { source } = await sample.through('manifests', ({ response }) => {
      response.writeHead(200, headers).end(Buffer.alloc((4 << 20) + 1));
      return true;
    });
    await expect(source.images()).rejects.toMatchObject({ code: 'ResourceExhausted' });
  });

  test('compressed on its way, although nobody asked for that', async () => {
    const { source } = await sample.through('some', async (exchange) => {
      const { body } = await exchange.ask();
      return await answering({ 'content-encoding': 'gzip' }, gzipSync(body))(exchange);
    });
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
    const { bytes } = await read(source, sample.image.config);
    expect(bytes.equals(sample.image.bytes(sample.image.config))).toBe(true);
  });

  test('that is said to be compressed, and is not', async () => {
    const { source } = await sample.through('some', answering({ 'content-encoding': 'gzip' }));
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
    const { bytes } = await read(source, sample.image.layer);
    expect(bytes.equals(sample.image.bytes(sample.image.layer))).toBe(true);
  });

  test('that grows past 4 MiB when it is decompressed is refused', async () => {
    const bomb = gzipSync(Buffer.alloc((4 << 20) + 1));
    const { source } = await sample.through('manifests', answering({ 'content-encoding': 'gzip' }, bomb));
    await expect(source.images()).rejects.toMatchObject({ code: 'ResourceExhausted' });
  });
});

describe('what a manifest is', () => {
  const { manifest: oci, index, dockerManifest: docker } = MEDIA_TYPE;
  const [config, layers, manifests] = [{}, [], []];

  test.each([
    ['its media type is missing', undefined],
    ['its media type is empty', ''],
    ['its media type is general', 'application/json'],
    ['its media type is text', 'text/plain; charset=utf-8'],
    ['its media type is unknown', 'application/octet-stream'],
  ])('%s: the document says it', async (_, type) => {
    const { source } = await sample.through('manifests', answering({ 'content-type': type }));
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
  });

  test.each([
    ['the document, before the registry', docker, { mediaType: oci, config, layers }, oci],
    ['the registry, where the document does not', docker, { config, layers }, docker],
    ['the fields of a manifest', 'text/plain', { config, layers }, oci],
    ['the fields of an index', 'text/plain', { manifests }, index],
  ])('is said by %s', async (_, type, fields, expected) => {
    const body = Buffer.from(JSON.stringify({ schemaVersion: 2, ...fields }));
    const headers = { 'content-type': type, 'docker-content-digest': undefined };
    const { source } = await sample.through('manifests', answering(headers, body));
    const [found] = await source.images();
    expect(found?.target.mediaType).toBe(expected);
  });

  test.each([
    [
      'both',
      'text/plain',
      '{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}',
      'as text/plain, and it does not say',
    ],
    [
      'something else',
      'a/b',
      '{"schemaVersion":2,"mediaType":"c/d\\u001b"}',
      'as a/b, and it says that it is c/d\\x1b',
    ],
    ['nothing in particular', undefined, '{}', 'without a media type, and it does not say'],
    ['Docker’s first form', 'text/plain', '{"schemaVersion":1}', 'schema 1'],
    [
      'Docker’s first form, signed',
      `${docker.replace('v2', 'v1').replace('json', 'prettyjws')}`,
      '{}',
      'schema 1',
    ],
  ])('is refused where it is %s', async (_, type, body, message) => {
    const headers = { 'content-type': type, 'docker-content-digest': undefined };
    const { source } = await sample.through('manifests', answering(headers, Buffer.from(body)));
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unimplemented', message: expect.stringContaining(message) },
    });
  });

  test.each([
    ['text/html', '<!DOCTYPE html><p>log in', 'a web page'],
    [undefined, '\n<html>', 'a web page'],
    ['application/json', '', 'sends nothing'],
  ])('is no answer of a registry (%s, %j)', async (type, body, message) => {
    const headers = { 'content-type': type, 'docker-content-digest': undefined };
    const { source } = await sample.through('manifests', answering(headers, Buffer.from(body)));
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unavailable', message: expect.stringContaining(message) },
    });
  });
});

describe('HEAD, where the image is known', () => {
  const ask = async (meddle: Meddling, known = sample.image.manifest) => {
    const { source, proxy } = await sample.through(
      'manifests',
      (exchange) => exchange.request.method === 'HEAD' && meddle(exchange),
    );
    const [found] = await source.images({ known });
    expect(found?.target).toEqual(sample.image.manifest);
    return proxy.requests.map(({ method }) => method);
  };

  test('says that it is still the same', async () => {
    expect(await ask(() => false)).toEqual(['HEAD']);
  });

  test('says that it is another', async () => {
    expect(await ask(() => false, sample.image.config)).toEqual(['HEAD', 'GET']);
  });

  test.each([400, 403, 404, 405, 429, 500, 501, 503])('is answered %i: GET may help', async (status) => {
    expect(await ask(refuse(status))).toEqual(['HEAD', 'GET']);
  });

  test('breaks the connection: GET may help', async () => {
    expect(await ask(({ response }) => Boolean(response.destroy()))).toEqual(['HEAD', 'GET']);
  });

  test('tells no digest: GET does', async () => {
    expect(await ask(answering({ 'docker-content-digest': undefined }))).toEqual(['HEAD', 'GET']);
  });

  test.each(['0', '7'])('tells a length of %s: that is not believed', async (length) => {
    expect(await ask(answering({ 'content-length': length, 'content-type': 'text/plain' }))).toEqual([
      'HEAD',
    ]);
  });

  test('is refused: the registry’s words come with GET', async () => {
    const { source } = await sample.through('manifests', ({ response }) => {
      const body = JSON.stringify({ errors: [{ message: 'did you mean "v1"?' }] });
      return refuse(404, {}, body)({ response });
    });
    await expect(source.images({ known: sample.image.manifest })).rejects.toMatchObject({
      ...{ code: 'NotFound', message: expect.stringContaining('did you mean "v1"?') },
    });
  });
});
