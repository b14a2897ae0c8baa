import { once } from 'node:events';
import { request as ask, createServer, type IncomingHttpHeaders } from 'node:http';
import {
  type AddressInfo,
  connect,
  createServer as createSocketServer,
  type Server,
  type Socket,
} from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { proxyOf } from '../../../src/image/registry/http/route.js';
import { openRegistry } from '../../../src/index.js';
import { useSampleRegistry } from './sample-registry.js';

const VARIABLES = ['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'];
const sample = useSampleRegistry(1000);
const servers: Server[] = [];
beforeEach(() => {
  for (const name of VARIABLES.flatMap((variable) => [variable, variable.toUpperCase()]))
    vi.stubEnv(name, undefined);
});
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server): Promise<string> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** Leads everything to the sample registry, or answers with a status of its own. */
async function startProxy(status?: number): Promise<{ readonly host: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(({ method, url = '', headers }, response) => {
    asked.push({ method, url, headers });
    if (status !== undefined) return void response.writeHead(status).end();
    const { pathname } = new URL(url);
    ask(`http://${sample.registry.host}${pathname}`, { headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.on('connect', ({ method, url, headers }, socket) => {
    asked.push({ method, url, headers });
    socket.end(`HTTP/1.1 ${status ?? 200} X\r\n\r\n`);
  });
  return { host: await listen(server), asked };
}

async function images(host: string) {
  await using source = await openRegistry(`${host}/some/image:1`, {
    plainHTTP: host.endsWith(':80'),
    retries: 0,
  });
  const [found] = await source.images();
  return found?.target;
}

describe('a proxy of the environment', () => {
  test('is asked for the URL where there is no TLS, with the name and password that it wants', async () => {
    const { host, asked } = await startProxy();
    vi.stubEnv('http_proxy', `http://me:p%40ss@${host}`);
    expect(await images('registry.example:80')).toEqual(sample.image.manifest);
    const { method, url, headers } = asked[0]!;
    expect(`${method} ${url}`).toBe('GET http://registry.example/v2/some/image/manifests/1');
    expect(headers.host).toBe('registry.example');
    expect(headers['proxy-authorization']).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });

  test('is asked for a tunnel where there is TLS; why there is none is said, and which proxy it was', async () => {
    const { host, asked } = await startProxy(403);
    vi.stubEnv('HTTPS_PROXY', `http://me:pass@${host}`);
    await expect(images('registry.example')).rejects.toMatchObject({
      message: `Cannot get an answer from registry.example:443 through the proxy http://${host} of HTTPS_PROXY: the proxy answers 403`,
      hint: expect.stringContaining('HTTPS_PROXY'),
    });
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['CONNECT registry.example:443']);
  });

  test('that answers in the place of the registry is named', async () => {
    const { host } = await startProxy(403);
    vi.stubEnv('http_proxy', host);
    await expect(images('registry.example:80')).rejects.toMatchObject({
      ...{ message: expect.stringContaining(host), hint: expect.stringContaining('http_proxy') },
    });
  });

  test('that is not there is named', async () => {
    vi.stubEnv('all_proxy', 'http://127.0.0.1:1');
    await expect(images('registry.example')).rejects.toMatchObject({
      message: expect.stringContaining(
        'through the proxy http://127.0.0.1:1 of all_proxy: no server listens there',
      ),
    });
  });

  test('of SOCKS is asked for the name of the registry', async () => {
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const asked: string[] = [];
    const server = createSocketServer((socket) => void serveSocks(socket, asked));
    vi.stubEnv('ALL_PROXY', `socks5h://${await listen(server)}`);
    expect(await images('registry.example:80')).toEqual(sample.image.manifest);
    expect(asked).toEqual(['registry.example']);
  });

  test('does not lead to this machine', async () => {
    const { host, asked } = await startProxy();
    vi.stubEnv('http_proxy', host);
    expect(await images(sample.registry.host)).toEqual(sample.image.manifest);
    expect(asked).toEqual([]);
  });
});

/** A server of SOCKS 5 (RFC 1928) that leads to the sample registry. */
async function serveSocks(socket: Socket, asked: string[]): Promise<void> {
  await once(socket, 'data');
  socket.write(Buffer.of(5, 0));
  const [request] = (await once(socket, 'data')) as [Buffer];
  asked.push(request.subarray(5, 5 + request[4]!).toString());
  const [name, port] = sample.registry.host.split(':');
  const behind = connect(Number(port), name);
  socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  socket
    .pipe(behind)
    .pipe(socket)
    .on('error', () => {});
}

describe('which proxy', () => {
  test.each([
    [{ https_proxy: 'http://a:1' }, 'https://registry.example/', 'https_proxy'],
    [{ HTTPS_PROXY: 'a:1' }, 'https://registry.example/', 'HTTPS_PROXY'],
    [{ http_proxy: 'http://a:1' }, 'https://registry.example/', undefined],
    [{ http_proxy: 'http://a:1' }, 'http://registry.example/', 'http_proxy'],
    [{ ALL_PROXY: 'socks5://a' }, 'http://registry.example/', 'ALL_PROXY'],
    [{ all_proxy: 'http://a:1', https_proxy: 'http://b:1' }, 'https://registry.example/', 'https_proxy'],
    [{ https_proxy: '', HTTPS_PROXY: 'http://a:1' }, 'https://registry.example/', 'HTTPS_PROXY'],
    [{ https_proxy: 'http://a:1' }, 'https://localhost/', undefined],
    [{ https_proxy: 'http://a:1' }, 'https://[::1]:5000/', undefined],
  ])('%j for %s: %s', (environment, url, variable) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    expect(proxyOf(new URL(url))?.variable).toBe(variable);
  });

  test.each([
    ['*', 'registry.example', true],
    ['registry.example', 'registry.example', true],
    ['.example', 'registry.example', true],
    ['*.example', 'registry.example', true],
    ['EXAMPLE', 'Registry.Example', true],
    ['registry.example:443', 'registry.example', true],
    ['registry.example:5000', 'registry.example', false],
    ['registry.example:5000', 'registry.example:5000', true],
    ['other, registry.example', 'registry.example', true],
    ['try.example', 'registry.example', false],
    ['registry.example.org', 'registry.example', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.0/24', '192.0.2.77:5000', true],
    ['192.0.2.0/24', '192.0.3.77', false],
    ['192.0.2.0/99', '192.0.2.1', false],
    ['192.0.2.0/24:5000', '192.0.2.1:5001', false],
    ['2001:db8::/32', '[2001:db8::1]:5000', true],
    ['2001:db8::1', '[2001:db8::1]', true],
    ['[2001:db8::1]:5000', '[2001:db8::1]:5000', true],
    ['192.0.2.0/24', '[2001:db8::1]', false],
    [' , ', 'registry.example', false],
  ])('none where no_proxy is %j, for %s: %s', (list, host, isExcepted) => {
    vi.stubEnv('all_proxy', 'http://a:1');
    vi.stubEnv('NO_PROXY', list);
    expect(proxyOf(new URL(`https://${host}/`)) === undefined).toBe(isExcepted);
  });

  test.each(['ftp://a', 'http://', '::', 'http://[a'])('%j names none, and that is said', (text) => {
    vi.stubEnv('https_proxy', text);
    expect(() => proxyOf(new URL('https://registry.example'))).toThrow('https_proxy names no proxy');
  });
});
