import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTLSServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { useSampleRegistry } from './sample-registry.js';

const sample = useSampleRegistry(1000);

describe('a registry with TLS', () => {
  const certificate = join(sample.directory, 'server.crt');
  const key = join(sample.directory, 'server.key');
  let server: Server;
  let host: string;
  /** Where it redirects to, and where it sends for a token. */
  const headers: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    '/v2/moved/manifests/1': { location: 'http://127.0.0.1:1/' },
    '/v2/private/manifests/1': { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/"' },
  };

  beforeAll(async () => {
    const out = ['-keyout', key, '-out', certificate, '-addext', 'subjectAltName=IP:127.0.0.1'];
    const self = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=registry', '-days', '2'];
    execFileSync('openssl', [...self, ...out], { stdio: 'ignore' });
    server = createTLSServer(
      { key: readFileSync(key), cert: readFileSync(certificate) },
      ({ url = '' }, response) => {
        const found = headers[url] ?? {};
        const status = 'location' in found ? 307 : 'www-authenticate' in found ? 401 : 200;
        const described = { 'content-type': sample.image.manifest.mediaType };
        response.writeHead(status, status === 200 ? described : found);
        response.end(status === 200 ? sample.image.bytes(sample.image.manifest) : undefined);
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test('that nobody vouches for is not trusted, nor asked without TLS', async () => {
    const begun: unknown[] = [];
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => begun.push(error.code));
    await using source = await openRegistry(`${host}/some/image:1`);
    await expect(source.images()).rejects.toMatchObject({
      ...{ code: 'Unavailable', hint: expect.stringContaining(`/etc/docker/certs.d/${host}`) },
    });
    expect(begun).not.toContain('ERR_SSL_HTTP_REQUEST');
  });

  test('that is trusted leads nowhere without', async () => {
    const index = new URL('../../../dist/index.js', import.meta.url).href;
    const program = `
      const { openRegistry } = await import('${index}');
      for (const name of ['some/image', 'moved', 'private']) {
        const source = await openRegistry('${host}/' + name + ':1', { retries: 0 });
        console.log(await source.images().then(([found]) => found.target.digest, ({ code, message }) => code + ' ' + message));
      }`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificate };
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { env });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual([
      sample.image.manifest.digest,
      `Unavailable ${host} redirects to a URL that is not allowed`,
      `Unavailable ${host} names a token server that is not allowed`,
      '',
    ]);
  });
});
