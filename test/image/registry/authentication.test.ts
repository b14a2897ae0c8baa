import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { authFilePaths } from '../../../src/image/registry/auth/find-credentials.js';
import { openRegistry, type RegistryNotice } from '../../../src/index.js';
import { DockerRegistry } from '../../helpers/docker-registry.js';
import { RegistryProxy } from '../../helpers/registry-proxy.js';
import { RegistryTokenServer } from '../../helpers/registry-token-server.js';
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

  /** As nobody in particular; the warning and the hint say why. */
  async function expectRefused(why: string): Promise<void> {
    const warnings: RegistryNotice[] = [];
    const pulling = pull(registry.host, { onNotice: (notice) => warnings.push(notice) });
    await expect(pulling).rejects.toMatchObject({
      ...{ code: 'Unauthenticated', hint: expect.stringContaining(why) },
    });
    expect(warnings).toEqual([{ type: 'warning', message: expect.stringContaining(why) }]);
  }

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

  describe('that podman keeps', () => {
    test.each([
      ['XDG_RUNTIME_DIR', 'of podman login'],
      ['XDG_CONFIG_HOME', 'for good'],
    ])('in %s, %s', async (variable) => {
      const place = join(sample.directory, variable);
      mkdirSync(join(place, 'containers'), { recursive: true });
      const auths = { [`${registry.host}/some`]: { auth: base64('user:secret') } };
      writeFileSync(join(place, 'containers/auth.json'), JSON.stringify({ auths }));
      vi.stubEnv(variable, place);
      await pull(registry.host);
    });

    test('in /run/containers, where there is no XDG_RUNTIME_DIR', () => {
      vi.stubEnv('XDG_RUNTIME_DIR', undefined);
      expect(authFilePaths()).toContain(`/run/containers/${process.geteuid!()}/auth.json`);
    });

    test('and in REGISTRY_AUTH_FILE, beside which no other counts', () => {
      vi.stubEnv('REGISTRY_AUTH_FILE', '/some/auth.json');
      expect(authFilePaths()).toEqual(['/some/auth.json']);
    });
  });

  test('of a file with username and password, as generators write it', async () => {
    writeConfig({ auths: { [registry.host]: { username: 'user', password: 'secret' } } });
    await pull(registry.host);
  });

  test('that is refused: the hint names the file', async () => {
    writeConfig({ auths: { [registry.host]: { auth: base64('user:wrong') } } });
    await expect(pull(registry.host)).rejects.toMatchObject({
      ...{
        code: 'Unauthenticated',
        hint: expect.stringContaining(join(sample.directory, 'docker/config.json')),
      },
    });
  });

  test.each([
    ['no JSON', '{'],
    ['a directory', undefined],
  ])('where the file is %s: that is said, and nobody asks', async (_, content) => {
    const path = join(sample.directory, 'damaged');
    if (content === undefined) mkdirSync(path);
    else writeFileSync(path, content);
    vi.stubEnv('REGISTRY_AUTH_FILE', path);
    await expectRefused(path);
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
    ])('%s: that is said, and nobody asks', async (_, name, script) => {
      if (script !== undefined && !name.includes('/')) writeHelper(name, script);
      writeConfig({ credsStore: name });
      await expectRefused(`docker-credential-${name}`);
      await expectRefused(join(sample.directory, 'docker/config.json'));
    });

    test('fails: what the file itself has is presented', async () => {
      writeConfig({ credsStore: 'missing', auths: { [registry.host]: { auth: base64('user:secret') } } });
      await pull(registry.host);
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

    test('to another registry that gives tokens to everybody: it gets one, and none of what the first is told', async () => {
      const tokens = await RegistryTokenServer.start(() => ({ token: 'anonymous' }));
      const other = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
        if (request.headers.authorization === 'Bearer anonymous') return false;
        response.writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}",service="other"` }).end();
        return true;
      });
      const front = await RegistryProxy.start(registry.host, '', ({ request, response }) => {
        if (request.headers.authorization !== BASIC) return false;
        response.writeHead(307, { location: `http://${other.host}${request.url}` }).end();
        return true;
      });
      await pull(front.host, { credentials: { username: 'user', password: 'secret' } });
      expect(tokens.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
      expect(new Set(other.requests.map(({ headers }) => headers.authorization))).toEqual(
        new Set([undefined, 'Bearer anonymous']),
      );
      expect(front.requests.filter(({ headers }) => headers.authorization?.startsWith('Bearer'))).toEqual([]);
      await Promise.all([tokens.close(), other.close(), front.close()]);
    });

    test('to another registry that wants a name: where to get the image, and nothing is presented', async () => {
      const other = await RegistryProxy.start(registry.host, '', () => false);
      const front = await RegistryProxy.start(registry.host, '', ({ request, response }) => {
        response.writeHead(307, { location: `http://${other.host}${request.url}` }).end();
        return true;
      });
      const credentials = { username: 'user', password: 'secret' };
      await expect(pull(front.host, { credentials })).rejects.toMatchObject({
        ...{ code: 'Unauthenticated', hint: expect.stringContaining(`${other.host}/some/image`) },
      });
      expect(other.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
      await Promise.all([other.close(), front.close()]);
    });

    test('to another host, and back: it is not told again', async () => {
      const seen: unknown[] = [];
      const other = await RegistryProxy.start(registry.host, '', ({ request, response }) => {
        response.writeHead(307, { location: `http://${front.host}/back${request.url}` }).end();
        return true;
      });
      const front: RegistryProxy = await RegistryProxy.start(registry.host, '', ({ request, response }) => {
        const { authorization } = request.headers;
        if (request.url!.startsWith('/back')) seen.push(authorization);
        else if (authorization === undefined) return false;
        const location = `http://${other.host}${request.url}`;
        const isBack = request.url!.startsWith('/back');
        response.writeHead(isBack ? 401 : 307, isBack ? {} : { location }).end();
        return true;
      });
      const credentials = { username: 'user', password: 'secret' };
      await expect(pull(front.host, { credentials })).rejects.toMatchObject({ code: 'Unauthenticated' });
      expect(new Set(seen)).toEqual(new Set([undefined]));
      await Promise.all([other.close(), front.close()]);
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
