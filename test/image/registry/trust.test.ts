import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openRegistry, type RegistryNotice } from '../../../src/index.js';
import { CertificateAuthority, type Issued } from '../../helpers/certificates.js';
import { useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);
const directory = join(sample.directory, 'certs.d');
let authority: CertificateAuthority;
let client: Issued;
let server: Server;
let host: string;
/** Whether it wants to know who asks. */
let isPrivate = false;

beforeAll(async () => {
  authority = new CertificateAuthority(sample.directory);
  client = authority.issue('client', 'email:client@example');
  const { cert, key } = authority.issue('server', 'IP:127.0.0.1,DNS:registry.example').read();
  const ca = readFileSync(authority.certificate);
  server = createServer(
    { cert, key, ca, requestCert: true, rejectUnauthorized: false },
    (asked, response) => {
      if (isPrivate && !(asked.socket as TLSSocket).authorized) return void response.writeHead(403).end();
      request(
        `http://${sample.registry.host}${asked.url?.split('?')[0]}`,
        { headers: asked.headers },
        (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        },
      ).end();
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
beforeEach(() => {
  isPrivate = false;
  mkdirSync(directory);
  // Nothing of the machine's own.
  vi.stubEnv('SSL_CERT_FILE', '/dev/null');
  vi.stubEnv('SSL_CERT_DIR', '/nowhere');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Of the registry, or what it is called there. */
function place(name = host): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  return path;
}

async function target(domain = host): Promise<unknown> {
  const hostsDirectories = [directory];
  await using source = await openRegistry(`${domain}/some/image:1`, { retries: 0, hostsDirectories });
  const [found] = await source.images();
  return found?.target;
}

describe('a registry is trusted whose authority is', () => {
  test.each([
    ['docker’s and podman’s', (name: string) => name],
    ['containerd’s', (name: string) => name.replace(/:(\d+)$/, '_$1_')],
    ['everybody’s', () => '_default'],
  ])('in a directory of certificates, called as %s', async (_, nameOf) => {
    copyFileSync(authority.certificate, join(place(nameOf(host)), 'ca.crt'));
    expect(await target()).toEqual(sample.image.manifest);
  });

  test.each([
    ['a mirror', () => `[host."https://${host}"]\n  ca = "../ca.pem"\n`],
    ['the server itself', () => `ca = ["../ca.pem"]\n`],
    ['another server', () => `server = "https://${host}"\nca = "../ca.pem"\n`],
  ])('named by hosts.toml, for %s', async (_, toml) => {
    copyFileSync(authority.certificate, join(directory, 'ca.pem'));
    writeFileSync(join(place(), 'hosts.toml'), toml());
    expect(await target()).toEqual(sample.image.manifest);
  });

  test('in the system’s store (SSL_CERT_FILE)', async () => {
    vi.stubEnv('SSL_CERT_FILE', authority.certificate);
    expect(await target()).toEqual(sample.image.manifest);
  });

  test('in the system’s store (SSL_CERT_DIR), also beside damaged ones', async () => {
    copyFileSync(authority.certificate, join(directory, 'any name'));
    writeFileSync(
      join(directory, 'damaged'),
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    );
    vi.stubEnv('SSL_CERT_DIR', `/nowhere:${directory}`);
    expect(await target()).toEqual(sample.image.manifest);
  });

  test('in the store, through a proxy', async () => {
    vi.stubEnv('SSL_CERT_FILE', authority.certificate);
    const proxy = createHttpServer().on('connect', (_, socket) => {
      const behind = connect(Number(host.split(':')[1]), '127.0.0.1', () =>
        socket.write('HTTP/1.1 200 OK\r\n\r\n'),
      );
      socket
        .pipe(behind)
        .pipe(socket)
        .on('error', () => {});
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    vi.stubEnv('https_proxy', `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`);
    vi.stubEnv('no_proxy', undefined);
    vi.stubEnv('NO_PROXY', undefined);
    expect(await target('registry.example')).toEqual(sample.image.manifest);
    vi.stubEnv('https_proxy', undefined);
    proxy.close();
  });

  test('not to be known: hosts.toml says skip_verify', async () => {
    writeFileSync(join(place(), 'hosts.toml'), 'skip_verify = true\n');
    expect(await target()).toEqual(sample.image.manifest);
  });
});

test.each([
  ['nowhere', () => {}],
  [
    'in the directory of another',
    () => copyFileSync(authority.certificate, join(place('127.0.0.1:1'), 'ca.crt')),
  ],
  [
    'beside a hosts.toml that does not name it',
    () => {
      copyFileSync(authority.certificate, join(place(), 'ca.crt'));
      writeFileSync(join(place(), 'hosts.toml'), '');
    },
  ],
])('a registry is not trusted whose authority is %s', async (_, prepare) => {
  prepare();
  await expect(target()).rejects.toMatchObject({
    ...{ code: 'Unavailable', hint: expect.stringContaining(`certs.d/${host}/`) },
  });
});

test('a registry is not trusted under another name, whoever vouches for it', async () => {
  vi.stubEnv('SSL_CERT_FILE', authority.certificate);
  const other = host.replace('127.0.0.1', 'localhost');
  await expect(target(other)).rejects.toMatchObject({
    code: 'Unavailable',
    message: expect.stringMatching(
      `^Cannot get an answer from ${other}: its certificate is for another name`,
    ),
  });
});

describe('a registry that asks for a certificate gets', () => {
  beforeEach(() => {
    isPrivate = true;
    copyFileSync(authority.certificate, join(directory, 'ca.pem'));
  });

  test('the one of its directory', async () => {
    copyFileSync(authority.certificate, join(place(), 'ca.crt'));
    copyFileSync(client.certificate, join(place(), 'client.cert'));
    copyFileSync(client.key, join(place(), 'client.key'));
    expect(await target()).toEqual(sample.image.manifest);
  });

  test.each([
    ['a pair', 'client = [["../client.crt", "../client.key"]]'],
    ['one file', 'client = "../both.pem"'],
    ['a list', 'client = ["../both.pem"]'],
  ])('the one of its hosts.toml: %s', async (_, line) => {
    const { cert, key } = client.read();
    writeFileSync(join(directory, 'client.crt'), cert);
    writeFileSync(join(directory, 'client.key'), key);
    writeFileSync(join(directory, 'both.pem'), cert + key);
    writeFileSync(join(place(), 'hosts.toml'), `ca = "../ca.pem"\n${line}\n`);
    expect(await target()).toEqual(sample.image.manifest);
  });

  test('none that is another’s', async () => {
    copyFileSync(client.certificate, join(place('127.0.0.1:1'), 'client.cert'));
    copyFileSync(client.key, join(place('127.0.0.1:1'), 'client.key'));
    vi.stubEnv('SSL_CERT_FILE', authority.certificate);
    await expect(target()).rejects.toMatchObject({ code: 'PermissionDenied' });
  });

  test('none that is no certificate: that is said', async () => {
    writeFileSync(join(directory, 'both.pem'), 'none');
    writeFileSync(join(place(), 'hosts.toml'), `ca = "../ca.pem"\nclient = "../both.pem"\n`);
    await expect(target()).rejects.toMatchObject({
      ...{ code: 'InvalidArgument', message: expect.stringContaining('client certificate for 127.0.0.1') },
    });
  });
});

test('a directory that can’t be looked into is done without, and that is said', async () => {
  symlinkSync(host, join(directory, host));
  const notices: RegistryNotice[] = [];
  const onNotice = (notice: RegistryNotice) => void notices.push(notice);
  await (await openRegistry(`${host}/a`, { hostsDirectories: [directory], onNotice })).close();
  expect(notices).toContainEqual({
    type: 'warning',
    message: expect.stringContaining(join(directory, host)),
  });
});

test('a file of hosts.toml that has no certificate is named', async () => {
  writeFileSync(join(directory, 'ca.pem'), 'none');
  writeFileSync(join(place(), 'hosts.toml'), 'ca = "../ca.pem"\n');
  await expect(target()).rejects.toMatchObject({
    ...{ code: 'InvalidArgument', message: expect.stringContaining(join(directory, 'ca.pem')) },
  });
});

describe('files that others can change', () => {
  test('are not read: hosts.toml is refused', async () => {
    const path = join(place(), 'hosts.toml');
    writeFileSync(path, 'skip_verify = true\n');
    chmodSync(path, 0o666);
    await expect(target()).rejects.toMatchObject({
      ...{ code: 'PermissionDenied', message: expect.stringContaining(path) },
    });
  });

  test('are not read: a certificate is done without, and that is said', async () => {
    const path = join(place(), 'ca.crt');
    copyFileSync(authority.certificate, path);
    chmodSync(path, 0o666);
    const notices: RegistryNotice[] = [];
    const onNotice = (notice: RegistryNotice) => void notices.push(notice);
    await using source = await openRegistry(`${host}/a`, { hostsDirectories: [directory], onNotice });
    await expect(source.images()).rejects.toMatchObject({ code: 'Unavailable' });
    expect(notices).toEqual([{ type: 'warning', message: expect.stringContaining(path) }]);
  });
});
