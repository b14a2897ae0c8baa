import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openRegistry } from '../../../src/index.js';
import { DockerRegistry } from '../../helpers/docker-registry.js';
import { read } from '../../helpers/read-blob.js';
import { RegistryProxy } from '../../helpers/registry-proxy.js';
import { type Grant, RegistryTokenServer, TokenSigner } from '../../helpers/registry-token-server.js';
import { useSampleRegistry } from './sample-registry.js';
import { BASIC, base64, useUserConfiguration } from './user-configuration.js';

const sample = useSampleRegistry(1000);
const { writeConfig, writeHelper } = useUserConfiguration(sample.directory);
const blobs = join(sample.directory, 'registry');
const { pull } = sample;

describe('a registry that wants tokens', () => {
  /** Like one, but what it takes is for the test to say. */
  async function startChoosy(realm: string, takes: (authorization: string | undefined) => boolean) {
    return await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
      if (takes(request.headers.authorization)) return false;
      const challenge = `Bearer realm="${realm}",service="tests",scope="repository:some/image:pull"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    });
  }

  async function withTokens<T>(
    grant: Grant,
    takes: (authorization: string | undefined) => boolean,
    use: (host: string, tokens: RegistryTokenServer, registry: RegistryProxy) => Promise<T>,
  ): Promise<T> {
    const tokens = await RegistryTokenServer.start(grant);
    const registry = await startChoosy(tokens.url, takes);
    try {
      return await use(registry.host, tokens, registry);
    } finally {
      await Promise.all([tokens.close(), registry.close()]);
    }
  }

  test('that are signed: docker-registry takes them', async () => {
    const signer = new TokenSigner(sample.directory);
    const tokens = await RegistryTokenServer.start(({ query, headers }) => {
      expect(query.getAll('scope')).toEqual(['repository:some/image:pull']);
      expect(query.get('service')).toBe('tests');
      return headers.authorization === BASIC
        ? { token: signer.sign({ name: 'some/image', actions: ['pull'] }) }
        : { status: 401 };
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
        await Promise.all(
          [sample.image.layer, sample.image.config, sample.image.layer].map((blob) => read(source, blob)),
        );
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

  test('and then, when one has ended, a name and a password', async () => {
    let wants = 'Bearer first';
    const tokens = await RegistryTokenServer.start(() => ({ token: 'first', expires_in: 3600 }));
    const registry = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
      if (request.headers.authorization === wants) return false;
      const challenge = wants === BASIC ? 'Basic realm="tests"' : `Bearer realm="${tokens.url}"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    });
    const credentials = { username: 'user', password: 'secret' };
    await using source = await openRegistry(`${registry.host}/some/image:1`, { credentials });
    await source.images();
    wants = BASIC;
    expect((await read(source, sample.image.layer)).bytes.length).toBe(sample.image.layer.size);
    await Promise.all([tokens.close(), registry.close()]);
  });

  test('or, where no token is to be had, a name and a password', async () => {
    const tokens = await RegistryTokenServer.start(() => ({ status: 404 }));
    const registry = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
      if (request.headers.authorization === BASIC) return false;
      response
        .writeHead(401, { 'www-authenticate': `Bearer realm="${tokens.url}", Basic realm="tests"` })
        .end();
      return true;
    });
    await pull(registry.host, { credentials: { username: 'user', password: 'secret' } });
    await Promise.all([tokens.close(), registry.close()]);
  });

  test('and whose token of the configuration has ended takes the name and password beside it', async () => {
    const registry = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
      if (request.headers.authorization === BASIC) return false;
      response
        .writeHead(401, { 'www-authenticate': 'Bearer realm="http://127.0.0.1:1/", Basic realm="tests"' })
        .end();
      return true;
    });
    writeConfig({ auths: { [registry.host]: { registrytoken: 'ended', auth: base64('user:secret') } } });
    await pull(registry.host);
    await registry.close();
  });

  test('whose renewal fails: the registry is asked what it wants now', async () => {
    let isFirst = true;
    let takes = 'Bearer short';
    const tokens = await RegistryTokenServer.start(() => {
      const grant = isFirst ? { token: 'short', expires_in: 1 } : { status: 404 };
      isFirst = false;
      return grant;
    });
    const registry = await RegistryProxy.start(sample.registry.host, '', ({ request, response }) => {
      if (request.headers.authorization === takes) return false;
      const challenge = takes === BASIC ? 'Basic realm="tests"' : `Bearer realm="${tokens.url}"`;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    });
    const credentials = { username: 'user', password: 'secret' };
    await using source = await openRegistry(`${registry.host}/some/image:1`, { credentials });
    await source.images();
    takes = BASIC;
    expect((await read(source, sample.image.layer)).bytes.length).toBe(sample.image.layer.size);
    await Promise.all([tokens.close(), registry.close()]);
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
        await expect(pull(host)).rejects.toMatchObject({
          ...{ code, hint: code === 'Unavailable' ? undefined : expect.stringContaining('config.json') },
        });
        expect(tokens.requests).toHaveLength(asked);
      },
    );
  });

  test('and takes none: it is asked once more, not for ever', async () => {
    await withTokens(
      () => ({ token: 'x' }),
      () => false,
      async (host, _, registry) => {
        await expect(pull(host)).rejects.toMatchObject({ code: 'Unauthenticated' });
        expect(registry.requests).toHaveLength(2);
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
