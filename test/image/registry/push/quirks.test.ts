import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openRegistryTarget, type RegistryNotice } from '../../../../src/index.js';
import { RegistryTokenServer } from '../../../helpers/registry-token-server.js';
import { type Quirk, UploadRegistry, type UploadRequest } from '../../../helpers/upload-registry.js';
import { newBlob, sha256 } from './new-blob.js';

const MIB = 1024 ** 2;
const CREDENTIALS = { username: 'user', password: 'secret' };
const BASIC = `Basic ${Buffer.from('user:secret').toString('base64')}`;

async function begin(quirk?: Quirk, options: Parameters<typeof openRegistryTarget>[1] = {}) {
  const registry = await UploadRegistry.start(quirk);
  const target = await openRegistryTarget(`${registry.host}/some/image:1`, {
    ...{ retries: 2, credentials: CREDENTIALS },
    ...options,
  });
  return {
    registry,
    target,
    async [Symbol.asyncDispose]() {
      await target.close();
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** Answers, and reads the rest of the request. */
function answer({ request, response }: UploadRequest, status: number, headers = {}, body = ''): true {
  request.resume();
  response.writeHead(status, headers).end(body);
  return true;
}

/** Changes the headers of the registry's own answer. */
function changeHeaders(
  { response }: UploadRequest,
  change: (headers: Record<string, string>) => void,
): false {
  const writeHead = response.writeHead.bind(response) as (
    status: number,
    headers?: object,
  ) => typeof response;
  response.writeHead = ((status: number, headers: Record<string, string> = {}) => {
    change(headers);
    return writeHead(status, headers);
  }) as typeof response.writeHead;
  return false;
}

const wantsBasic = (asked: UploadRequest) =>
  asked.request.headers.authorization !== BASIC &&
  answer(asked, 401, { 'www-authenticate': 'Basic realm="tests"' });

test.each([
  ['a path', (path: string) => path],
  ['relative to the request', (path: string) => path.replace(/^.*\//, '')],
  ['a whole URL', (path: string, host: string) => `http://${host}${path}`],
])('an upload URL may be %s; its query stays as it is', async (_, locate) => {
  await using at = await begin((asked) =>
    changeHeaders(asked, (headers) => {
      if (headers['location']) headers['location'] = locate(headers['location'], at.registry.host);
    }),
  );
  const { mediaType, open } = newBlob(randomBytes(9 * MIB));
  const { digest } = await at.target.writeBlob({ mediaType, open });
  expect(at.registry.blobs.has(digest)).toBe(true);
  const final = at.registry.requests.find(({ method }) => method === 'PUT');
  expect(final?.path).toContain(`?_state=a%2Fb&digest=${encodeURIComponent(digest)}`);
});

test('an answer without a Range means that all bytes are kept', async () => {
  await using at = await begin((asked) => changeHeaders(asked, (headers) => delete headers['range']));
  const { mediaType, open } = newBlob(randomBytes(17 * MIB));
  const { digest } = await at.target.writeBlob({ mediaType, open });
  expect(at.registry.blobs.get(digest)?.length).toBe(17 * MIB);
});

test('a registry that keeps a part of a chunk gets the rest', async () => {
  await using at = await begin(async ({ method, before, url, request, response }) => {
    if (method !== 'PATCH' || before > 0) return false;
    const bytes = Buffer.concat(await request.toArray()).subarray(0, MIB);
    at.registry.sessions.set(url.pathname.replace(/^.*\//, ''), bytes);
    response.writeHead(202, { location: url.href, range: `0-${MIB - 1}` }).end();
    return true;
  });
  const bytes = randomBytes(9 * MIB);
  const { mediaType, open } = newBlob(bytes);
  const { digest } = await at.target.writeBlob({ mediaType, open });
  expect(at.registry.blobs.get(digest)?.equals(bytes)).toBe(true);
});

test.each([400, 405, 501])('a registry that answers HEAD with %i gets the blob', async (status) => {
  await using at = await begin((asked) => asked.method === 'HEAD' && answer(asked, status));
  expect(await at.target.has(newBlob(randomBytes(10)))).toBe(false);
});

test.each([
  [201, true, 'HEAD POST'],
  [202, false, 'HEAD POST PUT'],
  [400, false, 'HEAD POST POST PUT'],
  [401, false, 'HEAD POST POST PUT'],
  [403, false, 'HEAD POST POST PUT'],
  [404, false, 'HEAD POST POST PUT'],
  [405, false, 'HEAD POST POST PUT'],
])('a registry that answers a mount with %i', async (status, isThere, methods) => {
  await using at = await begin((asked) => {
    const isMount = asked.url.searchParams.has('mount');
    return isMount && status !== 202 && answer(asked, status);
  });
  const blob = newBlob(randomBytes(100));
  const origin = {
    domain: at.registry.host,
    repository: 'other/image',
    tag: undefined,
    digest: undefined,
    name: '',
  };
  expect(await at.target.has(blob, { origins: [origin] })).toBe(isThere);
  expect(at.registry.requests[1]?.path).toContain(
    `?mount=${encodeURIComponent(blob.digest)}&from=other%2Fimage`,
  );
  if (!isThere) await at.target.writeBlob(blob);
  expect(at.registry.methods).toBe(methods);
});

test('an upload that was begun instead of a mount, and is not used, is cancelled', async () => {
  await using at = await begin();
  const origin = {
    domain: at.registry.host,
    repository: 'other',
    tag: undefined,
    digest: undefined,
    name: '',
  };
  await at.target.has(newBlob(randomBytes(100)), { origins: [origin] });
  expect(at.registry.sessions.size).toBe(1);
  await at.target.close();
  expect(at.registry.sessions.size).toBe(0);
});

test('repositories of other registries are not mounted', async () => {
  await using at = await begin();
  const origin = {
    domain: 'registry.example',
    repository: 'other',
    tag: undefined,
    digest: undefined,
    name: '',
  };
  await at.target.has(newBlob(randomBytes(100)), { origins: [origin] });
  expect(at.registry.methods).toBe('HEAD');
});

test.each(['a Location', 'a redirect of POST', 'a redirect of PUT'])(
  'the server of %s gets the bytes, and no credentials (CVE-2020-15157)',
  async (kind) => {
    await using storage = await UploadRegistry.start();
    storage.sessions.set('there', Buffer.alloc(0));
    const at = await begin((asked) => {
      if (wantsBasic(asked)) return true;
      const to = `http://${storage.host}/v2/some/image/blobs/uploads/`;
      if (asked.method === 'POST' && kind === 'a Location')
        return answer(asked, 202, { location: `${to}there?signature=x%2Fy` });
      if (asked.method === 'POST' && kind === 'a redirect of POST')
        return answer(asked, 307, { location: to });
      if (asked.method === 'PUT') return answer(asked, 307, { location: `${to}there${asked.url.search}` });
      return false;
    });
    await using _ = at;
    const bytes = randomBytes(3 * MIB);
    const blob = newBlob(bytes);
    expect(await at.target.has(blob)).toBe(false);
    await at.target.writeBlob(blob);
    expect(storage.blobs.get(blob.digest)?.equals(bytes)).toBe(true);
    expect(storage.requests.map(({ headers }) => headers['authorization'])).not.toContain(BASIC);
    expect(at.registry.requests.map(({ headers }) => headers['authorization'])).toContain(BASIC);
  },
);

test('the server of a Location that asks for credentials gets none', async () => {
  await using storage = await UploadRegistry.start((asked) => wantsBasic(asked));
  await using at = await begin(
    (asked) =>
      wantsBasic(asked) ||
      (asked.method === 'POST' &&
        answer(asked, 202, { location: `http://${storage.host}/v2/a/blobs/uploads/1` })),
  );
  await expect(at.target.writeBlob(newBlob(randomBytes(100)))).rejects.toMatchObject({
    code: 'Unauthenticated',
  });
  expect(storage.requests.map(({ headers }) => headers['authorization'])).not.toContain(BASIC);
});

test('an upload URL without TLS on another machine is not followed', async () => {
  await using at = await begin(
    (asked) => asked.method === 'POST' && answer(asked, 202, { location: 'http://registry.example/v2/a' }),
  );
  await expect(at.target.writeBlob(newBlob(randomBytes(100)))).rejects.toMatchObject({
    code: 'Unavailable',
    hint: expect.stringContaining('https'),
  });
});

test.each([429, 503])('status %i: the registry is asked again when it says', async (status) => {
  const notices: RegistryNotice[] = [];
  await using at = await begin(
    (asked) => asked.method === 'PUT' && asked.before === 0 && answer(asked, status, { 'retry-after': '1' }),
    { onNotice: (notice) => notices.push(notice) },
  );
  const blob = newBlob(randomBytes(100));
  await at.target.writeBlob(blob);
  expect(at.registry.blobs.has(blob.digest)).toBe(true);
  expect(notices).toMatchObject([{ type: 'wait', delayMs: 1000 }]);
});

test.each(['reads', 'ignores'])(
  'a refusal comes in the words of a registry that %s the body',
  async (how) => {
    const errors = [{ code: 'SIZE_INVALID', message: 'at most 10 MiB for your plan' }];
    await using at = await begin((asked) => {
      if (asked.method !== 'PUT') return false;
      if (how === 'reads') asked.request.resume();
      asked.response.writeHead(413).end(JSON.stringify({ errors }));
      return true;
    });
    await expect(at.target.writeBlob(newBlob(randomBytes(12 * MIB)))).rejects.toThrow(
      /^Cannot push blob sha256:\w+ of .*: status 413, "at most 10 MiB for your plan"$/,
    );
    expect(at.registry.methods).toBe('POST PUT DELETE');
    expect(at.registry.sessions.size).toBe(0);
  },
);

test.each(['takes nothing', 'does not answer'])('a server that %s is asked again', async (how) => {
  await using at = await begin(
    ({ method, before, request }) => {
      if (method !== 'PUT' || before > 0) return false;
      if (how === 'does not answer') request.resume();
      return true;
    },
    { timeoutMs: 200 },
  );
  const bytes = randomBytes(12 * MIB);
  const blob = newBlob(bytes);
  await at.target.writeBlob(blob);
  expect(at.registry.blobs.get(blob.digest)?.equals(bytes)).toBe(true);
});

test('a source that pauses is no slow server', async () => {
  await using at = await begin(undefined, { timeoutMs: 100, retries: 0 });
  const bytes = randomBytes(10);
  let openings = 0;
  const blob = {
    ...newBlob(bytes),
    open: async () => ({
      offset: 0,
      bytes: (async function* () {
        openings++;
        yield bytes.subarray(0, 5);
        await new Promise((resolve) => setTimeout(resolve, 350));
        yield bytes.subarray(5);
      })(),
    }),
  };
  await at.target.writeBlob(blob);
  expect(openings).toBe(1);
});

test('a token that expires in mid-upload is renewed; tokens have the scopes of the push and of the mount', async () => {
  let count = 0;
  const tokens = await RegistryTokenServer.start(() => ({ token: `token${++count}` }));
  await using at = await begin((asked) => {
    const { authorization } = asked.request.headers;
    const scope = `repository:some/image:${asked.method === 'HEAD' ? 'pull' : 'pull,push'}`;
    const isExpired = asked.method === 'PUT' && authorization === 'Bearer token1';
    if (authorization !== undefined && !isExpired) return false;
    return answer(asked, 401, {
      'www-authenticate': `Bearer realm="${tokens.url}",service="tests",scope="${scope}"`,
    });
  });
  const blob = newBlob(randomBytes(3 * MIB));
  expect(await at.target.has(blob)).toBe(false);
  await at.target.writeBlob(blob);
  expect(at.registry.blobs.has(blob.digest)).toBe(true);
  const origin = {
    domain: at.registry.host,
    repository: 'other',
    tag: undefined,
    digest: undefined,
    name: '',
  };
  await at.target.has(newBlob(randomBytes(100)), { origins: [origin] });
  expect(tokens.requests.map(({ query }) => query.getAll('scope'))).toEqual([
    ['repository:some/image:pull,push'],
    ['repository:some/image:pull,push'],
    ['repository:some/image:pull,push', 'repository:other:pull'],
  ]);
  await tokens.close();
});

const artifact = (subject: string) =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/example',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: sha256(Buffer.from('{}')), size: 2 },
      layers: [],
      subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 7 },
      annotations: { made: String(Math.random()) },
    }),
  );
const descriptorOf = (bytes: Buffer) => ({
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: sha256(bytes),
  size: bytes.length,
});

test('referrers are listed under the fallback tag, concurrent ones too, each once', async () => {
  await using at = await begin();
  const subject = sha256(Buffer.from('image'));
  const made = [artifact(subject), artifact(subject), artifact(subject)];
  await Promise.all(made.map((bytes) => at.target.writeManifest(descriptorOf(bytes), bytes)));
  await at.target.writeManifest(descriptorOf(made[0]!), made[0]!);
  const index = at.registry.manifests.get(subject.replace(':', '-'));
  expect(index?.type).toBe('application/vnd.oci.image.index.v1+json');
  const { manifests } = JSON.parse(index!.bytes.toString());
  expect(manifests).toEqual(
    made.map((bytes) => ({
      ...descriptorOf(bytes),
      artifactType: 'application/example',
      annotations: JSON.parse(bytes.toString()).annotations,
    })),
  );
});

test('a registry that lists referrers itself gets no fallback tag', async () => {
  const subject = sha256(Buffer.from('image'));
  await using at = await begin(({ response }) => {
    response.setHeader('OCI-Subject', subject);
    return false;
  });
  const bytes = artifact(subject);
  await at.target.writeManifest(descriptorOf(bytes), bytes);
  expect(at.registry.methods).toBe('PUT');
});

test('a manifest that is larger than registries accept is not sent', async () => {
  await using at = await begin();
  const bytes = Buffer.alloc(4 * MIB + 1, ' ');
  await expect(at.target.writeManifest(descriptorOf(bytes), bytes)).rejects.toMatchObject({
    code: 'ResourceExhausted',
  });
  expect(at.registry.methods).toBe('');
});
