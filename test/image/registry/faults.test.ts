import { describe, expect, test } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { within } from '../../helpers/within.js';
import { refuse, useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);

describe('a registry that', () => {
  test.each([429, 500, 503])('answers %i and recovers', async (status) => {
    const { source, proxy } = await sample.through('manifests', (exchange) =>
      exchange.before < 2 ? refuse(status)(exchange) : false,
    );
    const [found] = await source.images();
    expect(found?.target).toEqual(sample.image.manifest);
    expect(proxy.requests).toHaveLength(3);
  });

  test('asks to be left in peace for a second is left', async () => {
    const { source } = await sample.through('manifests', (exchange) =>
      exchange.before < 1 ? refuse(429, { 'retry-after': '1' })(exchange) : false,
    );
    const begin = performance.now();
    await source.images();
    expect(performance.now() - begin).toBeGreaterThan(990);
  });

  test.each([
    [403, 'PermissionDenied', 1],
    [404, 'NotFound', 1],
    [401, 'Unauthenticated', 1],
    [400, 'Unavailable', 1],
    [429, 'Unavailable', 3],
    [503, 'Unavailable', 3],
  ])('answers %i: %s, and says what', async (status, code, requests) => {
    const body = JSON.stringify({ errors: [{ code: 'X', message: 'the\x1b[31m reason' }] });
    const { source, proxy } = await sample.through('blobs', refuse(status, {}, body));
    await expect(source.open(sample.image.config)).rejects.toMatchObject({
      code,
      message: `Cannot get blob ${sample.image.config.digest} of ${proxy.host}/some/image from ${proxy.host}: status ${status}, "the\\x1b[31m reason"`,
    });
    expect(proxy.requests).toHaveLength(requests);
  });

  test('says nothing is not waited for', async () => {
    const { source } = await sample.through('manifests', () => true, { timeoutMs: 100, retries: 1 });
    const waiting = expect(source.images()).rejects.toMatchObject({ code: 'Unavailable' });
    await within(20_000, 'the time-out', waiting);
  });

  test('is not there', async () => {
    await using source = await openRegistry('127.0.0.1:1/a', { retries: 1 });
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unavailable', message: expect.stringContaining('127.0.0.1:1') },
    });
  });

  test('redirects without end, or to where nobody goes', async () => {
    for (const location of [
      '/v2/some/image/manifests/1',
      'ftp://127.0.0.1/',
      'http://192.0.2.1/',
      'http://[',
    ]) {
      const { source, proxy } = await sample.through('manifests', refuse(307, { location }));
      await expect(source.images()).rejects.toMatchObject({ code: 'Unavailable' });
      expect(proxy.requests.length).toBeLessThanOrEqual(11);
    }
  });
});

describe('a signal ends', () => {
  const reason = new Error('enough');

  test('the waiting for an answer', async () => {
    const controller = new AbortController();
    const { source, proxy } = await sample.through('manifests', () => {
      controller.abort(reason);
      return true;
    });
    await expect(source.images({ signal: controller.signal })).rejects.toBe(reason);
    await within(20_000, 'the connection', proxy.deserted());
  });

  test('the waiting for another try', async () => {
    const controller = new AbortController();
    const { source } = await sample.through('manifests', ({ response }) => {
      response.on('finish', () => setImmediate(() => controller.abort(reason)));
      return refuse(503, { 'retry-after': '30' })({ response });
    });
    await within(
      20_000,
      'the end',
      expect(source.images({ signal: controller.signal })).rejects.toBe(reason),
    );
  });

  test('nothing that was not begun', async () => {
    const { source, proxy } = await sample.through('manifests', () => false);
    await expect(source.images({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(proxy.requests).toEqual([]);
  });
});
