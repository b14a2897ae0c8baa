import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseHostsFile } from '../../../src/image/registry/hosts/hosts-file.js';
import { openRegistry, type RegistryNotice } from '../../../src/index.js';
import { read } from '../../helpers/read-blob.js';
import { type Meddling, RegistryProxy } from '../../helpers/registry-proxy.js';
import { useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);
const directory = join(sample.directory, 'certs.d');
const path = join(directory, 'registry.example', 'hosts.toml');
const proxies: RegistryProxy[] = [];
beforeEach(() => mkdirSync(join(directory, 'registry.example'), { recursive: true }));
afterEach(async () => {
  rmSync(directory, { recursive: true });
  for (const proxy of proxies.splice(0)) await proxy.close();
});

async function start(meddle: Meddling = () => false): Promise<RegistryProxy> {
  const proxy = await RegistryProxy.start(sample.registry.host, '', meddle);
  proxies.push(proxy);
  return proxy;
}

/** What each is asked for, by kind. */
const asked = ({ requests }: RegistryProxy) => requests.map(({ url }) => /manifests|blobs/.exec(url)?.[0]);

async function pull(hosts: string): Promise<readonly RegistryNotice[]> {
  writeFileSync(path, hosts);
  const notices: RegistryNotice[] = [];
  const onNotice = (notice: RegistryNotice) => void notices.push(notice);
  const options = { hostsDirectories: ['/nowhere', directory], retries: 0, onNotice };
  await using source = await openRegistry('registry.example/some/image:1', options);
  const [found] = await source.images();
  expect(found).toEqual({ name: 'registry.example/some/image:1', target: sample.image.manifest });
  const { bytes } = await read(source, sample.image.layer);
  expect(bytes.equals(sample.image.bytes(sample.image.layer))).toBe(true);
  return notices;
}

describe('of a hosts.toml', () => {
  test('mirrors are asked in their order, and told whose image it is; then the server', async () => {
    const [empty, mirror, server] = [
      await start(({ response }) => Boolean(response.writeHead(404).end())),
      await start(
        ({ request, response }) => request.url!.includes('blobs') && Boolean(response.writeHead(404).end()),
      ),
      await start(),
    ];
    await pull(
      `server = "http://${server.host}"\n[host."http://${empty.host}"]\n[host."http://${mirror.host}/v2/"]\n`,
    );
    expect(asked(empty)).toEqual(['manifests', 'blobs']);
    expect(asked(mirror)).toEqual(['manifests', 'blobs']);
    expect(asked(server)).toEqual(['blobs']);
    expect(mirror.requests[0]!.url).toBe('/v2/some/image/manifests/1?ns=registry.example');
  });

  test('a mirror that may only be pulled from does not say what a tag is', async () => {
    const [mirror, server] = [await start(), await start()];
    await pull(
      `server = "http://${server.host}"\n[host."http://${mirror.host}"]\n  capabilities = ["pull"]\n`,
    );
    expect(asked(mirror)).toEqual(['blobs']);
    expect(asked(server)).toEqual(['manifests']);
  });

  test('a mirror that may not be pulled from is not asked', async () => {
    const [mirror, server] = [await start(), await start()];
    await pull(
      `server = "http://${server.host}"\n[host."http://${mirror.host}"]\n  capabilities = ["push"]\n`,
    );
    expect(asked(mirror)).toEqual([]);
  });

  test('a mirror that fails is passed over, and that is said', async () => {
    const [broken, server] = [
      await start(({ response }) => Boolean(response.writeHead(403).end())),
      await start(),
    ];
    const notices = await pull(`server = "http://${server.host}"\n[host."http://${broken.host}"]\n`);
    expect(asked(broken)).toEqual(['manifests', 'blobs']);
    expect(notices).toHaveLength(2);
    expect(notices[0]).toEqual({
      type: 'warning',
      message: expect.stringContaining(`${broken.host}: status 403`),
    });
  });

  test('a path may be all of the API’s', async () => {
    const server = await start(({ request }) => {
      request.url = request.url!.replace('/cache/docker/', '/v2/');
      return false;
    });
    await pull(`server = "http://${server.host}/cache/docker"\noverride_path = true\n`);
  });

  test('headers are for its server, and for nobody else', async () => {
    const other = await start();
    const server = await start(({ request, response }) => {
      if (!request.url!.includes('blobs')) return false;
      response.writeHead(307, { location: `http://${other.host}${request.url}` }).end();
      return true;
    });
    await pull(`server = "http://${server.host}"\n[header]\n  X-Key = ["a", "b"]\n`);
    expect(server.requests.map(({ headers }) => headers['x-key'])).toEqual(['a, b', 'a, b']);
    expect(other.requests.map(({ headers }) => headers['x-key'])).toEqual([undefined]);
  });

  test('the first directory that has one counts', async () => {
    const server = await start();
    const second = join(sample.directory, 'second');
    mkdirSync(join(second, 'registry.example'), { recursive: true });
    writeFileSync(join(second, 'registry.example', 'hosts.toml'), 'server = "http://127.0.0.1:1"\n');
    writeFileSync(path, `server = "http://${server.host}"\n`);
    const hostsDirectories = [directory, second];
    await using source = await openRegistry('registry.example/some/image:1', {
      hostsDirectories,
      retries: 0,
    });
    expect((await source.images())[0]?.target).toEqual(sample.image.manifest);
  });

  test('nobody is left to be asked: that is said', async () => {
    await expect(pull('capabilities = ["push"]\n')).rejects.toMatchObject({
      ...{ code: 'FailedPrecondition', hint: expect.stringContaining('hosts.toml') },
    });
  });

  test.each([
    ['no TOML', 'server = '],
    ['a server that is no URL', 'server = "http://["'],
    ['a server of another protocol', 'server = "httpx://a"'],
    ['a server of a protocol with another beginning', 'server = "ftp://a"'],
    ['credentials in a URL', '[host."https://me:secret@mirror.example"]'],
    ['a field of another type', 'skip_verify = "yes"'],
    ['a client that is three files', 'client = [["a", "b", "c"]]'],
    ['a header that would be two', '[header]\n  a = "b\\r\\nc: d"'],
  ])('%s is refused, and the file is named', async (_, hosts) => {
    const failure = await pull(`${hosts}\n`).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'InvalidArgument', message: expect.stringContaining(path) });
    expect(String(failure)).not.toContain('secret');
  });

  test('what it names and is not there is named', async () => {
    await expect(pull('ca = "none.crt"\n')).rejects.toMatchObject({
      ...{ code: 'NotFound', message: expect.stringContaining(join(directory, 'registry.example/none.crt')) },
    });
  });
});

test.each([
  ['mirror.example', 'https://mirror.example/v2'],
  ['httpd.example:5000', 'https://httpd.example:5000/v2'],
  ['https://mirror.example/', 'https://mirror.example/v2'],
  ['https://mirror.example/v2', 'https://mirror.example/v2'],
  ['https://mirror.example/v2/project', 'https://mirror.example/v2/project/v2'],
  ['https://docker.io', 'https://registry-1.docker.io/v2'],
])('the API of %s is at %s', async (server, api) => {
  const [entry] = await parseHostsFile(`server = "${server}"\nunknown = 1\n`, '/etc/hosts.toml');
  expect(entry?.url?.href).toBe(api);
});
