import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { openRegistry, type RegistryNotice } from '../../../src/index.js';
import type { Exchange } from '../../helpers/registry-proxy.js';
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

  const serverTime = 'Tue, 01 Jan 2030 00:00:00 GMT';

  test.each([
    ['a second', { 'retry-after': '1' }],
    [
      'a second of its own clock',
      { date: serverTime, 'retry-after': serverTime.replace('00 GMT', '01 GMT') },
    ],
  ])('asks to be left in peace for %s is left, and that is said', async (_, headers) => {
    const notices: RegistryNotice[] = [];
    const { source } = await sample.through(
      'manifests',
      (exchange) => exchange.before < 1 && refuse(429, headers)(exchange),
      { onNotice: (notice) => notices.push(notice) },
    );
    const begin = performance.now();
    await source.images();
    expect(performance.now() - begin).toBeGreaterThan(990);
    expect(notices).toEqual([{ type: 'wait', delayMs: 1000, reason: expect.stringContaining('status 429') }]);
  });

  test('asks several requests at once for the same time: one wait', async () => {
    const notices: RegistryNotice[] = [];
    const { source } = await sample.through(
      'blobs',
      (exchange) => exchange.before < 2 && refuse(429, { 'retry-after': '1' })(exchange),
      { onNotice: (notice) => notices.push(notice) },
    );
    await Promise.all([source.open(sample.image.config), source.open(sample.image.layer)]);
    expect(notices).toHaveLength(1);
  });

  test.each([
    ['an hour', { 'retry-after': '3600' }, /wait 60 minutes, until \d{4}-\d\d-\d\d \d\d:\d\d UTC/],
    [
      'two minutes of its clock',
      { date: serverTime, 'retry-after': serverTime.replace('00:00 GMT', '02:00 GMT') },
      /wait 2 minutes/,
    ],
    ['longer than can be told', { 'retry-after': '9'.repeat(40) }, /until 21/],
  ])('asks to be left in peace for %s: at once, when to come back', async (_, headers, hint) => {
    const body = JSON.stringify({ errors: [{ message: 'you have reached your limit' }] });
    const { source, proxy } = await sample.through('manifests', refuse(429, headers, body));
    await expect(source.images()).rejects.toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('you have reached your limit'),
      hint: expect.stringMatching(hint),
    });
    expect(proxy.requests).toHaveLength(1);
  });

  test.each(['-1', 'soon', 'Tue, 01 Jan 2030', ''])(
    'asks for what is no time to wait (%j) is asked again soon',
    async (time) => {
      const { source, proxy } = await sample.through(
        'manifests',
        (exchange) => exchange.before < 1 && refuse(503, { 'retry-after': time })(exchange),
      );
      await source.images();
      expect(proxy.requests).toHaveLength(2);
    },
  );

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

  test('sends early hints and no answer is not waited for', async () => {
    const { source } = await sample.through(
      'manifests',
      ({ response }) => {
        const hint = () =>
          response.writeEarlyHints({ link: '</x>; rel=preload' }, () => setTimeout(hint, 20));
        hint();
        return true;
      },
      { timeoutMs: 200, retries: 0 },
    );
    await within(
      20_000,
      'the time-out',
      expect(source.images()).rejects.toMatchObject({
        ...{ code: 'Unavailable', message: expect.stringContaining('does not begin within 0.2 s') },
      }),
    );
  });

  /** A byte now and then, but never silent for long. */
  const trickle = async ({ ask, response }: Exchange): Promise<true> => {
    const { status, headers, body } = await ask();
    response.writeHead(status, headers);
    let sent = 0;
    const next = () => response.write(body.subarray(sent, ++sent), () => setTimeout(next, 20));
    next();
    return true;
  };

  test('sends a byte now and then is not waited for', async () => {
    const { source, proxy } = await sample.through('manifests', trickle, {
      timeoutMs: 200,
      retries: 1,
      minBytesPerSecond: 1000,
    });
    await within(
      20_000,
      'the time-out',
      expect(source.images()).rejects.toMatchObject({
        ...{ code: 'Unavailable', message: expect.stringMatching(/no more than \d+ bytes in 0.2 s/) },
      }),
    );
    expect(proxy.requests).toHaveLength(2);
  });

  test('sends few bytes, but enough, is waited for', async () => {
    const { source } = await sample.through('manifests', trickle, {
      timeoutMs: 200,
      retries: 0,
      minBytesPerSecond: 1,
      deadlineMs: 700,
    });
    const late = source.images();
    await expect(late).rejects.toMatchObject({
      ...{ code: 'Unavailable', message: expect.stringContaining('within 0.7 s') },
    });
  });

  test('is not done when its deadline comes: nothing is asked any more', async () => {
    const { source, proxy } = await sample.through('manifests', () => true, { deadlineMs: 100 });
    const late = { code: 'Unavailable', message: expect.stringContaining('some/image:1') };
    await expect(source.images()).rejects.toMatchObject(late);
    await expect(source.images()).rejects.toMatchObject(late);
    expect(proxy.requests).toHaveLength(1);
  });

  test.each([
    { retries: -1 },
    { timeoutMs: 0 },
    { minBytesPerSecond: 0.5 },
    { deadlineMs: 0 },
    { deadlineMs: 2 ** 31 },
  ])('is opened with %j: InvalidArgument', async (options) => {
    await expect(openRegistry('debian', options)).rejects.toMatchObject({
      ...{ code: 'InvalidArgument', message: expect.stringContaining(Object.keys(options)[0]!) },
    });
  });

  test.each([
    ['127.0.0.1:1', 'no server listens there (ECONNREFUSED)'],
    ['[::1]:1', 'no server listens there (ECONNREFUSED)'],
    ['nowhere.invalid', 'there is no such host (ENOTFOUND)'],
  ])('is not there (%s): host, port and why', async (host, why) => {
    await using source = await openRegistry(`${host}/a`, { retries: 0 });
    const server = host.includes(':') ? host : `${host}:443`;
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unavailable', message: `Cannot get an answer from ${server}: ${why}` },
    });
  });

  test('does not speak HTTP', async () => {
    const server = createServer((socket) => socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using source = await openRegistry(`${host}/a`, { retries: 0, plainHTTP: true });
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unavailable', message: expect.stringContaining(`${host}: it does not answer in HTTP`) },
    });
    server.close();
  });

  test('redirects, and never ends to say so, is followed', async () => {
    const { source } = await sample.through('manifests', ({ before, request, response }) => {
      if (before > 0) return false;
      const headers = { location: request.url, 'content-length': '60000' };
      response.writeHead(307, headers).write('x');
      return true;
    });
    const [found] = await within(20_000, 'the answer', source.images());
    expect(found?.target).toEqual(sample.image.manifest);
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
