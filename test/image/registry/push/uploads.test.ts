import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openRegistryTarget } from '../../../../src/index.js';
import { cutBodies, type Quirk, UploadRegistry } from '../../../helpers/upload-registry.js';
import { inWorkDirectory } from '../../../helpers/work-directory.js';
import { newBlob, sha256 } from './new-blob.js';

const MIB = 1024 ** 2;

/** Opens a target of a registry with a quirk. */
async function begin(quirk?: Quirk) {
  const registry = await UploadRegistry.start(quirk);
  const target = await openRegistryTarget(`${registry.host}/some/image:1`, { retries: 3 });
  return {
    registry,
    target,
    async [Symbol.asyncDispose]() {
      await target.close();
      await registry[Symbol.asyncDispose]();
    },
  };
}

test.each([0, 1, 65_535, 65_536, 65_537, 3 * MIB + 17])(
  'a blob of %i bytes is sent in one request',
  async (size) => {
    await using at = await begin();
    const bytes = randomBytes(size);
    const blob = newBlob(bytes, 70_001);
    await at.target.writeBlob(blob);
    expect(at.registry.blobs.get(blob.digest)?.equals(bytes)).toBe(true);
    expect(at.registry.methods).toBe('POST PUT');
  },
);

test('a file range is sent as it is, and its progress is told', async () => {
  await inWorkDirectory(async (name) => {
    await using at = await begin();
    const path = name('file');
    const bytes = randomBytes(5 * MIB);
    await writeFile(path, bytes);
    const part = bytes.subarray(1000, 4 * MIB);
    const told: number[] = [];
    const open = async (offset: number) => ({
      bytes: { path, offset: 1000 + offset, length: part.length - offset },
      offset,
    });
    await at.target.writeBlob({ ...newBlob(part), open }, { onBytes: (sent) => told.push(sent) });
    expect(at.registry.blobs.get(sha256(part))?.equals(part)).toBe(true);
    expect(told.at(-1)).toBe(part.length);
    expect(told).toEqual(told.toSorted((a, b) => a - b));
  });
});

test('a blob without a digest is sent in chunks, and described at its end', async () => {
  await using at = await begin();
  const bytes = randomBytes(17 * MIB);
  const { mediaType, open } = newBlob(bytes);
  const written = await at.target.writeBlob({ mediaType, open });
  expect(written).toEqual({ mediaType, digest: sha256(bytes), size: bytes.length });
  expect(at.registry.blobs.get(sha256(bytes))?.equals(bytes)).toBe(true);
  expect(at.registry.methods).toBe('POST PATCH PATCH PATCH PUT');
  expect(at.registry.requests[2]?.headers['content-range']).toBe(`${8 * MIB}-${16 * MIB - 1}`);
});

test('chunks are as long as the registry wants at least', async () => {
  await using at = await begin(({ method, response }) => {
    if (method === 'POST') response.setHeader('OCI-Chunk-Min-Length', String(9 * MIB));
    return false;
  });
  const { mediaType, open } = newBlob(randomBytes(17 * MIB));
  await at.target.writeBlob({ mediaType, open });
  expect(at.registry.methods).toBe('POST PATCH PATCH PUT');
});

test('concurrent writes of a blob send it once, also by several targets', async () => {
  await using at = await begin();
  await using other = await openRegistryTarget(`${at.registry.host}/some/image:2`);
  const blob = newBlob(randomBytes(MIB));
  const targets = [at.target, at.target, other, other];
  const written = await Promise.all(targets.map((target) => target.writeBlob(blob)));
  expect(new Set(written.map(({ digest }) => digest))).toEqual(new Set([blob.digest]));
  expect(at.registry.received).toBe(MIB);
});

test('a waiting write sends the blob itself when the first one is aborted', async () => {
  const ending = new AbortController();
  await using at = await begin(({ method, before }) => {
    if (method === 'PUT' && before === 0) ending.abort(new Error('enough'));
    return false;
  });
  const blob = newBlob(randomBytes(MIB));
  const [first, second] = await Promise.allSettled([
    at.target.writeBlob(blob, { signal: ending.signal }),
    at.target.writeBlob(blob),
  ]);
  expect(first).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
  expect(second.status).toBe('fulfilled');
  expect(at.registry.blobs.has(blob.digest)).toBe(true);
});

test('a broken upload continues where the registry stopped', async () => {
  const offsets = [2_000_000];
  await using at = await begin(cutBodies('PUT', offsets));
  const bytes = randomBytes(6 * MIB);
  const blob = newBlob(bytes);
  await at.target.writeBlob(blob);
  expect(at.registry.blobs.get(blob.digest)?.equals(bytes)).toBe(true);
  expect(at.registry.methods).toBe('POST PUT GET PATCH PUT');
  expect(blob.opened[1]).toBeGreaterThanOrEqual(1_900_000);
});

test('connections that are cut at random offsets lose no byte', async () => {
  const random = () => Math.floor(Math.random() * 5_000_000);
  const cuts = Array.from({ length: 6 }, random);
  const patches = cutBodies('PATCH', cuts.slice(1));
  const puts = cutBodies('PUT', cuts.slice(0, 1));
  await using at = await begin((asked) => puts(asked) || patches(asked));
  const bytes = randomBytes(12 * MIB);
  const blob = newBlob(bytes);
  await at.target.writeBlob(blob);
  expect(at.registry.blobs.get(blob.digest)?.equals(bytes), `cut at ${cuts}`).toBe(true);
});

test('a broken chunk of a blob without a digest is sent again from where the registry stopped', async () => {
  await using at = await begin(cutBodies('PATCH', [3_000_000, 5_000_000]));
  const bytes = randomBytes(17 * MIB);
  const { mediaType, open, opened } = newBlob(bytes);
  const { digest } = await at.target.writeBlob({ mediaType, open });
  expect(at.registry.blobs.get(digest)?.equals(bytes)).toBe(true);
  expect(opened).toEqual([0]);
});

test('an upload that the registry has lost begins again', async () => {
  const cut = cutBodies('PATCH', [3_000_000]);
  await using at = await begin(async (asked) => {
    if (asked.method === 'GET') at.registry.sessions.clear();
    return await cut(asked);
  });
  const bytes = randomBytes(17 * MIB);
  const { mediaType, open, opened } = newBlob(bytes);
  const { digest } = await at.target.writeBlob({ mediaType, open });
  expect(at.registry.blobs.get(digest)?.equals(bytes)).toBe(true);
  expect(opened).toEqual([0, 0]);
});

test('a blob whose last response was lost is not sent again', async () => {
  await using at = await begin(({ method, response, before }) => {
    if (method === 'PUT' && before === 0) response.end = () => response.destroy();
    return false;
  });
  const blob = newBlob(randomBytes(MIB));
  await at.target.writeBlob(blob);
  expect(at.registry.received).toBe(MIB);
  expect(at.registry.sessions.size).toBe(0);
});

test('an aborted upload is cancelled at the registry', async () => {
  const ending = new AbortController();
  await using at = await begin(({ method, request }) => {
    if (method === 'PUT') request.once('data', () => ending.abort(new Error('enough')));
    return false;
  });
  const writing = at.target.writeBlob(newBlob(randomBytes(4 * MIB)), { signal: ending.signal });
  await expect(writing).rejects.toThrow('enough');
  expect(at.registry.methods).toBe('POST PUT DELETE');
  expect(at.registry.sessions.size).toBe(0);
});

test('a target that is closed in mid-upload cancels it, and leaves no connection', async () => {
  let begun = () => {};
  const beginning = new Promise<void>((resolve) => (begun = resolve));
  await using at = await begin(({ method, request }) => {
    if (method === 'PUT') request.once('data', begun);
    return method === 'PUT';
  });
  const writing = at.target.writeBlob(newBlob(randomBytes(4 * MIB)));
  await Promise.all([expect(writing).rejects.toThrow('is closed'), beginning.then(() => at.target.close())]);
  expect(at.registry.sessions.size).toBe(0);
  await at.registry.deserted();
});

test('bytes with another digest are not kept, in the words of the registry', async () => {
  await using at = await begin();
  const blob = { ...newBlob(randomBytes(MIB)), digest: sha256(Buffer.from('other')) };
  await expect(at.target.writeBlob(blob)).rejects.toMatchObject({
    code: 'DataLoss',
    message: expect.stringContaining('"provided digest did not match"'),
  });
  expect(at.registry.blobs.size + at.registry.sessions.size).toBe(0);
});

test.each([-1, 1])(
  'a source that gives %i bytes more than announced is refused, and nothing is kept',
  async (more) => {
    await using at = await begin();
    const blob = { ...newBlob(randomBytes(MIB)), size: MIB - more };
    await expect(at.target.writeBlob(blob)).rejects.toMatchObject({ code: 'DataLoss' });
    expect(at.registry.blobs.size + at.registry.sessions.size).toBe(0);
  },
);

test('a source that fails is the cause', async () => {
  await using at = await begin();
  const blob = {
    ...newBlob(randomBytes(MIB)),
    open: async () => ({
      offset: 0,
      bytes: (async function* () {
        yield Buffer.alloc(1000);
        throw new Error('the disk is gone');
      })(),
    }),
  };
  await expect(at.target.writeBlob(blob)).rejects.toThrow('the disk is gone');
  expect(at.registry.sessions.size).toBe(0);
});
