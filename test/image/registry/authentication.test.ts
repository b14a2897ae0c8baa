import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { DockerRegistry } from '../../helpers/docker-registry.js';
import { RegistryProxy } from '../../helpers/registry-proxy.js';
import { useSampleRegistry } from './sample-registry.js';
import { BASIC, base64, useUserConfiguration } from './user-configuration.js';

const sample = useSampleRegistry(1000);
const { writeConfig, writeHelper } = useUserConfiguration(sample.directory);
const blobs = join(sample.directory, 'registry');
const { pull } = sample;

describe('a registry that wants a name and a password', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    const htpasswd = join(sample.directory, 'htpasswd');
    // bcrypt of "secret"
    writeFileSync(htpasswd, 'user:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n');
    registry = await DockerRegistry.start(blobs, { htpasswd: { realm: 'tests', path: htpasswd } });
  });
  afterAll(() => registry.kill());

  test('without: Unauthenticated, and what to do', async () => {
    await expect(pull(registry.host)).rejects.toMatchObject({
      code: 'Unauthenticated',
      message: expect.stringContaining(`${registry.host}/some/image`),
      hint: expect.stringContaining('docker login'),
    });
  });

  test('the wrong one: Unauthenticated, after a single try', async () => {
    const proxy = await RegistryProxy.start(registry.host, '', () => false);
    const credentials = { username: 'user', password: 'wrong' };
    await expect(pull(proxy.host, { credentials })).rejects.toMatchObject({ code: 'Unauthenticated' });
    expect(proxy.requests.filter(({ headers }) => headers.authorization !== undefined)).toHaveLength(1);
    await proxy.close();
  });

  test('as an option', async () => {
    await pull(registry.host, { credentials: { username: 'user', password: 'secret' } });
  });

  test.each(['HOST', 'https://HOST', 'http://HOST/v1/', 'HOST/v2/', 'HOST/some/image', 'HOST/some'])(
    'of docker login or podman login, for %s',
    async (key) => {
      const auth = base64('user:secret');
      const auths = {
        [key.replace('HOST', registry.host)]: { auth },
        [`${registry.host}/other`]: { auth: 'eDp5' },
      };
      writeConfig({ auths });
      await pull(registry.host);
    },
  );

  test('of REGISTRY_AUTH_FILE', async () => {
    const path = join(sample.directory, 'auth.json');
    writeFileSync(path, JSON.stringify({ auths: { [registry.host]: { auth: base64('user:secret') } } }));
    vi.stubEnv('REGISTRY_AUTH_FILE', path);
    await pull(registry.host);
  });

  test('of skopeo login', async () => {
    const path = join(sample.directory, 'skopeo-auth.json');
    const login = [
      'login',
      '--tls-verify=false',
      '--authfile',
      path,
      '--username',
      'user',
      '--password-stdin',
    ];
    execFileSync('skopeo', [...login, registry.host], {
      input: 'secret',
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    vi.stubEnv('REGISTRY_AUTH_FILE', path);
    await pull(registry.host);
  });

  test('that is another registry’s is not presented', async () => {
    writeConfig({ auths: { 'registry.example': { auth: base64('user:secret') } } });
    await expect(pull(registry.host)).rejects.toMatchObject({ code: 'Unauthenticated' });
  });

  test.each([
    ['no JSON', '{'],
    ['a directory', undefined],
  ])('configuration that is %s is refused', async (_, content) => {
    const path = join(sample.directory, 'damaged');
    if (content === undefined) mkdirSync(path);
    else writeFileSync(path, content);
    vi.stubEnv('REGISTRY_AUTH_FILE', path);
    await expect(pull(registry.host)).rejects.toMatchObject({ message: expect.stringContaining(path) });
    rmSync(path, { recursive: true });
  });

  test('configuration whose fields are of other types is as good as none', async () => {
    writeConfig({ auths: [null, 'x'], credHelpers: 3, credsStore: {} });
    await expect(pull(registry.host)).rejects.toMatchObject({ code: 'Unauthenticated' });
  });

  describe('from a credential helper', () => {
    const answer = (username: string, secret: string) =>
      `read server; [ "$1 $server" = "get ${registry.host}" ] || exit 1; echo '${JSON.stringify({ ServerURL: 'x', Username: username, Secret: secret })}'`;

    test('for the registry', async () => {
      writeHelper('one', answer('user', 'secret'));
      writeConfig({ credHelpers: { [registry.host]: 'one' }, credsStore: 'missing' });
      await pull(registry.host);
    });

    test('for all', async () => {
      writeHelper('all', answer('user', 'secret'));
      writeConfig({ credsStore: 'all' });
      await pull(registry.host);
    });

    test('that has none: what is in the file', async () => {
      writeHelper('empty', 'echo "credentials not found in native keychain"; exit 1');
      writeConfig({ credsStore: 'empty', auths: { [registry.host]: { auth: base64('user:secret') } } });
      await pull(registry.host);
    });

    test.each([
      ['there is none', 'missing', undefined],
      ['it fails', 'fails', 'echo no; exit 1'],
      ['it says something else', 'says', 'echo {}'],
      ['it says too much', 'much', 'exec cat /dev/zero'],
      ['its name leads elsewhere', '/../x', 'exit 0'],
      ['it is in a relative directory', 'relative', undefined],
    ])('%s: FailedPrecondition', async (_, name, script) => {
      if (script !== undefined && !name.includes('/')) writeHelper(name, script);
      writeConfig({ credsStore: name });
      await expect(pull(registry.host)).rejects.toMatchObject({
        ...{ code: 'FailedPrecondition', message: expect.stringContaining(`docker-credential-${name}`) },
      });
    });
  });

  describe('and redirects', () => {
    test('to another host: nobody there gets to know who asks, whatever it says', async () => {
      const other = await RegistryProxy.start(sample.registry.host, '/elsewhere', ({ response }) => {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="give it to me"' }).end();
        return true;
      });
      const proxy = await RegistryProxy.start(registry.host, 'blobs', ({ request, response }) => {
        const host = request.url!.includes(sample.image.layer.digest)
          ? other.host
          : `${other.host}/elsewhere`;
        response.writeHead(307, { location: `http://${host}${request.url}` }).end();
        return true;
      });
      const credentials = { username: 'user', password: 'secret' };
      await pull(proxy.host, { credentials });
      await using source = await openRegistry(`${proxy.host}/some/image:1`, { credentials });
      await expect(source.open(sample.image.config)).rejects.toMatchObject({ code: 'Unauthenticated' });
      expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
      expect(proxy.requests.some(({ headers }) => headers.authorization === BASIC)).toBe(true);
      await Promise.all([proxy.close(), other.close()]);
    });

    test('to itself: it is told again', async () => {
      const proxy = await RegistryProxy.start(registry.host, '', ({ request, response }) => {
        if (!request.url!.startsWith('/moved')) {
          response.writeHead(301, { location: `/moved${request.url}` }).end();
          return true;
        }
        request.url = request.url!.slice('/moved'.length);
        return false;
      });
      await pull(proxy.host, { credentials: { username: 'user', password: 'secret' } });
      await proxy.close();
    });
  });

  test('a mirror is not told what the registry is', async () => {
    const mirror = await RegistryProxy.start(registry.host, '', () => false);
    const credentials = { username: 'user', password: 'secret' };
    await pull(registry.host, { credentials, mirrors: { [registry.host]: [`http://${mirror.host}`] } });
    expect(mirror.requests.length).toBeGreaterThan(0);
    expect(mirror.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    await mirror.close();
  });
});
