import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type OpenRegistryOptions, openRegistry } from '../../../src/index.js';
import { DockerRegistry, makeSampleImage, push, type SampleImage } from '../../helpers/docker-registry.js';
import { read } from '../../helpers/read-blob.js';
import { RegistryProxy } from '../../helpers/registry-proxy.js';
import { type Grant, RegistryTokenServer, TokenSigner } from '../../helpers/registry-token-server.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

const directory = makeWorkDirectory();
const blobs = join(directory, 'registry');
const config = join(directory, 'docker');
const programs = join(directory, 'bin');
const BASIC = `Basic ${Buffer.from('user:secret').toString('base64')}`;
let image: SampleImage;
let open: RegistryProxy;
let plain: DockerRegistry;

beforeAll(async () => {
  for (const path of [config, programs]) mkdirSync(path);
  image = makeSampleImage(directory, randomBytes(1000));
  plain = await DockerRegistry.start(blobs);
  await push(image, `${plain.host}/some/image:1`);
});
beforeEach(() => {
  vi.stubEnv('DOCKER_CONFIG', config);
  vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
  writeConfig({});
});
afterEach(() => vi.unstubAllEnvs());
afterAll(async () => {
  await plain.kill();
  rmSync(directory, { recursive: true });
});

function writeConfig(content: object): void {
  writeFileSync(join(config, 'config.json'), JSON.stringify(content));
}

function writeHelper(name: string, script: string): void {
  vi.stubEnv('PATH', `relative:${programs}:${process.env['PATH']}`);
  writeFileSync(join(programs, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

async function pull(host: string, options: OpenRegistryOptions = {}): Promise<void> {
  await using source = await openRegistry(`${host}/some/image:1`, { retries: 1, ...options });
  const [found] = await source.images();
  expect(found?.target).toEqual(image.manifest);
  const { bytes } = await read(source, image.layer);
  expect(bytes.equals(image.bytes(image.layer))).toBe(true);
}

describe('a registry that wants a name and a password', () => {
  let registry: DockerRegistry;
  beforeAll(async () => {
    const htpasswd = join(directory, 'htpasswd');
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

  test('the wrong one: Unauthenticated', async () => {
    const credentials = { username: 'user', password: 'wrong' };
    await expect(pull(registry.host, { credentials })).rejects.toMatchObject({ code: 'Unauthenticated' });
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
    const path = join(directory, 'auth.json');
    writeFileSync(path, JSON.stringify({ auths: { [registry.host]: { auth: base64('user:secret') } } }));
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
    const path = join(directory, 'damaged');
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
      const other = await RegistryProxy.start(plain.host, '/elsewhere', ({ response }) => {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="give it to me"' }).end();
        return true;
      });
      const proxy = await RegistryProxy.start(registry.host, 'blobs', ({ request, response }) => {
        const host = request.url!.includes(image.layer.digest) ? other.host : `${other.host}/elsewhere`;
        response.writeHead(307, { location: `http://${host}${request.url}` }).end();
        return true;
      });
      const credentials = { username: 'user', password: 'secret' };
      await pull(proxy.host, { credentials });
      await using source = await openRegistry(`${proxy.host}/some/image:1`, { credentials });
      await expect(source.open(image.config)).rejects.toMatchObject({ code: 'Unauthenticated' });
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

describe('a registry that wants tokens', () => {
  /** Like one, but what it takes is for the test to say. */
  async function startChoosy(realm: string, takes: (authorization: string | undefined) => boolean) {
    open = await RegistryProxy.start(plain.host, '', ({ request, response }) => {
      if (takes(request.headers.authorization)) return false;
      const challenge = `Bearer realm="${realm}",service="tests",scope="repository:some/image:pull"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    });
    return open;
  }

  async function withTokens<T>(
    grant: Grant,
    takes: (authorization: string | undefined) => boolean,
    use: (host: string, tokens: RegistryTokenServer) => Promise<T>,
  ): Promise<T> {
    const tokens = await RegistryTokenServer.start(grant);
    const registry = await startChoosy(tokens.url, takes);
    try {
      return await use(registry.host, tokens);
    } finally {
      await Promise.all([tokens.close(), registry.close()]);
    }
  }

  test('that are signed: docker-registry takes them', async () => {
    const signer = new TokenSigner(directory);
    const tokens = await RegistryTokenServer.start(({ query, headers }) => {
      expect(query.getAll('scope')).toEqual(['repository:some/image:pull']);
      expect(query.get('service')).toBe('tests');
      return headers.authorization === BASIC ? { token: signer.sign('some/image') } : { status: 401 };
    });
    const registry = await DockerRegistry.start(blobs, signer.auth(tokens.url));
    await pull(registry.host, { credentials: { username: 'user', password: 'secret' } });
    expect(tokens.requests).toHaveLength(1);
    await expect(pull(registry.host)).rejects.toMatchObject({
      ...{ code: 'Unauthenticated', hint: expect.stringContaining('docker login') },
    });
    await registry.kill();
    await tokens.close();
  });

  test('for nobody in particular, and called access_token', async () => {
    await withTokens(
      () => ({ access_token: 'anonymous' }),
      (authorization) => authorization === 'Bearer anonymous',
      async (host, tokens) => {
        await pull(host);
        expect(tokens.requests.map(({ headers }) => headers.authorization)).toEqual([undefined]);
      },
    );
  });

  test('that end in the middle of a pull: another one is fetched, once for all who wait', async () => {
    let issued = 0;
    let valid = '';
    const grant = () => {
      valid = `token-${++issued}`;
      return { token: valid, expires_in: 3600 };
    };
    await withTokens(
      grant,
      (authorization) => authorization === `Bearer ${valid}`,
      async (host) => {
        await using source = await openRegistry(`${host}/some/image:1`);
        await source.images();
        valid = 'another';
        await Promise.all([image.layer, image.config, image.layer].map((blob) => read(source, blob)));
        expect(issued).toBe(2);
      },
    );
  });

  test('that say when they end are renewed before', async () => {
    let refused = 0;
    const takes = (authorization: string | undefined) => {
      if (authorization === undefined) refused++;
      return authorization !== undefined;
    };
    await withTokens(
      () => ({ token: 'short', expires_in: 1 }),
      takes,
      async (host, tokens) => {
        await pull(host);
        expect(refused).toBe(1);
        expect(tokens.requests.length).toBeGreaterThan(1);
      },
    );
  });

  test.each([
    ['in the configuration', { identitytoken: 'identity', auth: base64('00000000:') }, undefined],
    ['of a credential helper', {}, `echo '{"Username":"<token>","Secret":"identity"}'`],
  ])('for an identity token %s', async (_, entry, script) => {
    await withTokens(
      ({ method, body }) => ({ access_token: method === 'POST' ? `for-${body.get('refresh_token')}` : 'no' }),
      (authorization) => authorization === 'Bearer for-identity',
      async (host, tokens) => {
        if (script !== undefined) writeHelper('token', script);
        writeConfig(
          script === undefined ? { auths: { [host]: entry } } : { credHelpers: { [host]: 'token' } },
        );
        await pull(host);
        expect(Object.fromEntries(tokens.requests[0]!.body)).toEqual({
          ...{ grant_type: 'refresh_token', refresh_token: 'identity', service: 'tests' },
          ...{ client_id: 'overlayer', scope: 'repository:some/image:pull' },
        });
      },
    );
  });

  test('and has given one for good', async () => {
    await withTokens(
      () => ({ status: 500 }),
      (authorization) => authorization === 'Bearer mine',
      async (host, tokens) => {
        writeConfig({ auths: { [host]: { registrytoken: 'mine' } } });
        await pull(host);
        expect(tokens.requests).toEqual([]);
      },
    );
  });

  test.each([
    ['is refused', { status: 401 }, 'Unauthenticated', 1],
    ['is forbidden', { status: 403 }, 'PermissionDenied', 1],
    ['does not come', { status: 503 }, 'Unavailable', 2],
    ['is not there', { no: 'token' }, 'Unavailable', 1],
    ['can be no header', { token: 'a\nb: c' }, 'Unavailable', 1],
  ])('that %s', async (_, granted, code, asked) => {
    await withTokens(
      () => granted,
      () => false,
      async (host, tokens) => {
        await expect(pull(host)).rejects.toMatchObject({ code });
        expect(tokens.requests).toHaveLength(asked);
      },
    );
  });

  test('and takes none: it is asked once more, not for ever', async () => {
    await withTokens(
      () => ({ token: 'x' }),
      () => false,
      async (host) => {
        await expect(pull(host)).rejects.toMatchObject({ code: 'Unauthenticated' });
        expect(open.requests).toHaveLength(2);
      },
    );
  });

  test.each(['ftp://127.0.0.1/', 'http://192.0.2.1/token', 'no url:'])(
    'from %s: nobody asks there',
    async (realm) => {
      const registry = await startChoosy(realm, () => false);
      await expect(pull(registry.host)).rejects.toMatchObject({ code: expect.stringMatching(/^Un/) });
      await registry.close();
    },
  );
});
