import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Descriptor, PullEvent } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { describe as describeBlob, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { type Meddling, RegistryProxy, send } from '../helpers/registry-proxy.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { EMPTY, TestStore } from './use-store.js';

/** The second is larger than what a socket holds. */
const LAYERS = [
  gzipSync(tar(dir('a'), file('a/one', randomBytes(50_000)), file('a/gone', 'x'))),
  gzipSync(tar(dir('a'), file('a/two', randomBytes(3_000_000)), whiteout('a/gone'))),
  gzipSync(tar(dir('a'), file('a/three', randomBytes(50_000)))),
];
const [FIRST, SECOND, THIRD] = LAYERS.map((layer) => describeBlob(MEDIA_TYPE.layerGzip, layer)) as [
  Descriptor,
  Descriptor,
  Descriptor,
];

const directory = makeWorkDirectory();
let registry: DockerRegistry;
beforeAll(async () => {
  vi.stubEnv('DOCKER_CONFIG', directory);
  vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
  const layout = writeFiles(join(directory, 'layout'), layoutFiles({}, LAYERS));
  registry = await DockerRegistry.start(join(directory, 'registry'));
  await push({ location: `oci:${layout}:sample:1` }, `${registry.host}/some/image:1`);
});
afterAll(async () => {
  await registry.kill();
  rmSync(directory, { recursive: true });
});

const box = new TestStore();

async function through(about: string, meddle: Meddling): Promise<RegistryProxy> {
  const proxy = await RegistryProxy.start(registry.host, about, meddle);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** Requests for the bytes of layers. */
const layerRequests = ({ requests }: RegistryProxy) =>
  requests.filter(
    ({ method, url }) =>
      method === 'GET' && LAYERS.some((layer) => url.endsWith(describeBlob('a/b', layer).digest)),
  );

/** The `Range` of each request for a blob. */
const rangesOf = ({ requests }: RegistryProxy, { digest }: Descriptor) =>
  requests.filter(({ url }) => url.endsWith(digest)).map(({ headers }) => headers.range);

/** Sends the first half of the blob, and says so; then nothing. */
function halfOnly(blob: Descriptor, sent: () => void): Meddling {
  return async ({ before, response, ask }) => {
    if (before > 0) return false;
    const { status, headers, body } = await ask();
    response.writeHead(status, headers);
    response.write(body.subarray(0, blob.size / 2), sent);
    return true;
  };
}

test('an image is there, whole, under its canonical name', async () => {
  const image = await box.store.pull(`${registry.host}/some/image:1`);
  expect(image.name).toBe(`${registry.host}/some/image:1`);
  expect(await image.check()).toMatchObject({ isComplete: true, layers: { present: 3, total: 3 } });
  expect(await box.contents()).toMatchObject({ images: [image.name], ingests: [], leases: 0 });
});

test('events tell of each layer what becomes of it', async () => {
  const events: PullEvent[] = [];
  for await (const event of box.store.pull(`${registry.host}/some/image:1`)) events.push(event);
  const [plan] = events;
  expect(plan).toMatchObject({
    type: 'plan',
    layers: LAYERS.map((layer) => ({ descriptor: { size: layer.length } })),
  });
  for (const index of [0, 1, 2]) {
    const its = events.filter((event) => 'index' in event && event.index === index);
    expect(its[0]).toMatchObject({ type: 'progress', phase: 'waiting', compressedBytes: 0 });
    expect(its.at(-1)).toMatchObject({ type: 'commit', layer: { compressedSize: LAYERS[index]!.length } });
  }
});

test('what is there is not fetched again', async () => {
  await box.store.pull(`${registry.host}/some/image:1`);
  const proxy = await through('none', () => false);
  const events: PullEvent[] = [];
  for await (const event of box.store.pull(`${proxy.host}/some/image:1`)) events.push(event);
  expect(events.filter(({ type }) => type === 'skip')).toHaveLength(3);
  expect(layerRequests(proxy)).toEqual([]);
});

test('layers have their turns from the lowest up', async () => {
  const arrived = new Set<string>();
  let goOn = () => {};
  const both = new Promise<void>((resolve) => (goOn = resolve));
  const proxy = await through('blobs', async ({ request: { url } }) => {
    const lower = [FIRST, SECOND].find(({ digest }) => url?.endsWith(digest));
    if (lower === undefined) return false;
    // Or the second layer might be over before the first one is asked for.
    if (arrived.add(lower.digest).size === 2) goOn();
    await both;
    return false;
  });
  await box.store.pull(`${proxy.host}/some/image:1`, { concurrency: 2 });
  expect(layerRequests(proxy).at(-1)?.url).toContain(THIRD.digest);
});

describe('a layer whose bytes come slowly', () => {
  test('lets another begin, on more than one core', async () => {
    let arrive = () => {};
    const second = new Promise<void>((resolve) => (arrive = resolve));
    const proxy = await through('blobs', async ({ request: { url } }) => {
      if (url?.endsWith(SECOND.digest)) arrive();
      if (url?.endsWith(FIRST.digest) && availableParallelism() > 1) await second;
      return false;
    });
    await box.store.pull(`${proxy.host}/some/image:1`);
    expect(layerRequests(proxy)).toHaveLength(3);
  });

  test('lets none begin where more than one at once are not wanted', async () => {
    let goOn = () => {};
    const enough = new Promise<void>((resolve) => (goOn = resolve));
    const proxy = await through(FIRST.digest, async ({ response, ask }) => {
      const { status, headers, body } = await ask();
      response.writeHead(status, headers);
      response.write(body.subarray(0, 1000));
      await enough;
      response.end(body.subarray(1000));
      return true;
    });
    const task = box.store.pull(`${proxy.host}/some/image:1`, { concurrency: 1 });
    let slow = 0;
    for await (const event of task) {
      if (event.type !== 'progress' || event.phase !== 'downloading' || event.index > 0) continue;
      if (++slow === 5) break;
    }
    expect(layerRequests(proxy)).toHaveLength(1);
    goOn();
    await task;
  });
});

test('blobs of layers are not kept where they are not wanted', async () => {
  const image = await box.store.pull(`${registry.host}/some/image:1`, { keepBlobs: false });
  expect(await image.check()).toMatchObject({ blobs: { present: 2, total: 5 }, layers: { present: 3 } });
});

describe('blobs that a pull is to keep, of layers that are there already', () => {
  const pull = () => box.store.pull(`${registry.host}/some/image:1`);

  test('are fetched if they were not kept, and nothing is unpacked again', async () => {
    await box.store.pull(`${registry.host}/some/image:1`, { keepBlobs: false });
    const task = pull();
    const types = new Set<string>();
    for await (const { type } of task) types.add(type);
    expect(types).toEqual(new Set(['plan', 'progress', 'skip']));
    expect(await (await task).check()).toMatchObject({ isComplete: true, blobs: { present: 5, total: 5 } });
  });

  test('are fetched if one was lost', async () => {
    const image = await pull();
    await box.store.content.delete(SECOND.digest);
    expect((await image.check()).isComplete).toBe(false);
    expect((await (await pull()).check()).isComplete).toBe(true);
  });

  test('are verified: one that is not the layer of the snapshot is refused, and not kept', async () => {
    const image = await box.store.pull(`${registry.host}/some/image:1`, { keepBlobs: false });
    const proxy = await through(SECOND.digest, async ({ response }) => {
      response.writeHead(200);
      response.end(Buffer.alloc(SECOND.size));
      return true;
    });
    expect(await failureOf(box.store.pull(`${proxy.host}/some/image:1`))).toMatchObject({ code: 'DataLoss' });
    expect(await box.store.content.find(SECOND.digest)).toBeUndefined();
    expect(await image.check()).toMatchObject({ isComplete: false, layers: { present: 3 } });
  });
});

describe('interrupted by a signal', () => {
  test('it keeps what it has, and the next one goes on from there', async () => {
    const abort = new AbortController();
    const proxy = await through(
      SECOND.digest,
      halfOnly(SECOND, () => {}),
    );
    // One layer at a time: with slow bytes, the third would have an ingest as well.
    const options = { signal: abort.signal, concurrency: 1 };
    const task = box.store.pull(`${proxy.host}/some/image:1`, options);
    const reason = new Error('enough');
    let committed = false;
    let half = false;
    for await (const event of task) {
      if (event.type === 'commit' && event.index === 0) committed = true;
      if (event.type === 'progress' && event.index === 1 && event.compressedBytes > 1_000_000) half = true;
      if (committed && half) break;
    }
    abort.abort(reason);
    await expect(task).rejects.toBe(reason);
    const kept = await box.contents();
    expect(kept).toMatchObject({ images: [], ingests: [`layer-${SECOND.digest}`], leases: 0 });
    expect(kept.snapshots).toHaveLength(1);

    const image = await box.store.pull(`${proxy.host}/some/image:1`);
    expect((await image.check()).isComplete).toBe(true);
    expect(layerRequests(proxy).filter(({ url }) => url.endsWith(FIRST.digest))).toHaveLength(1);
    expect(rangesOf(proxy, SECOND)).toEqual([undefined, expect.stringMatching(/^bytes=1\d{6}-\d+$/)]);
  });
});

test('what an interrupted pull has is the next collection’s', async () => {
  const abort = new AbortController();
  const proxy = await through(
    SECOND.digest,
    halfOnly(SECOND, () => abort.abort(new Error('enough'))),
  );
  await expect(box.store.pull(`${proxy.host}/some/image:1`, { signal: abort.signal })).rejects.toThrow(
    'enough',
  );
  await box.store.images.prune({ ingestsIdleMs: 0 });
  expect(await box.contents()).toEqual(EMPTY);
});

/** Pulls in a process of its own. */
const PULL = `
const { openStore } = await import(${JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)});
const [root, reference] = process.argv.slice(1);
const store = await openStore({ root });
const task = store.pull(reference);
for await (const event of task) process.send(event);
process.send({ type: 'done', complete: (await (await task).check()).isComplete });
await store.close();
process.disconnect();
`;

function pullElsewhere(reference: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PULL, box.root, reference], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const events: (PullEvent | { type: 'done'; complete: boolean })[] = [];
  child.on('message', (event: PullEvent) => events.push(event));
  return { child, events };
}

test('killed in the midst of a layer: the next one goes on from there', async () => {
  const proxy = await through(
    SECOND.digest,
    halfOnly(SECOND, () => {}),
  );
  const { child, events } = pullElsewhere(`${proxy.host}/some/image:1`);
  const isHalf = () =>
    events.some(
      (event) => event.type === 'progress' && event.index === 1 && event.compressedBytes > 1_000_000,
    );
  while (!isHalf()) await once(child, 'message');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect((await box.contents()).images).toEqual([]);
  const { offset } = await box.store.content.ingest(`layer-${SECOND.digest}`);
  expect(offset).toBeGreaterThan(0);
  const image = await box.store.pull(`${proxy.host}/some/image:1`);
  expect((await image.check()).isComplete).toBe(true);
  expect(rangesOf(proxy, SECOND)).toEqual([undefined, `bytes=${offset}-${SECOND.size - 1}`]);
  const { snapshots } = await box.contents();
  await box.store.images.prune();
  expect((await box.contents()).snapshots.length).toBeLessThanOrEqual(snapshots.length);
  expect((await box.contents()).snapshots).toHaveLength(3);
});

test('bytes of an earlier pull that are damaged are fetched again, once', async () => {
  {
    await using ingest = await box.store.content.openIngest(`layer-${SECOND.digest}`, { size: SECOND.size });
    await ingest.write(Buffer.from(LAYERS[1]!.subarray(0, 2_000_000)).fill(0, 1_990_000));
  }
  const proxy = await through('none', () => false);
  const image = await box.store.pull(`${proxy.host}/some/image:1`);
  expect((await image.check()).isComplete).toBe(true);
  expect(rangesOf(proxy, SECOND)).toEqual([`bytes=2000000-${SECOND.size - 1}`, undefined]);
});

test('two processes at once fetch each layer once', async () => {
  const proxy = await through('none', () => false);
  const pulls = [1, 2].map(() => pullElsewhere(`${proxy.host}/some/image:1`));
  await Promise.all(pulls.map(({ child }) => once(child, 'exit')));
  for (const { events } of pulls) expect(events.at(-1)).toEqual({ type: 'done', complete: true });
  expect(layerRequests(proxy)).toHaveLength(3);
});

test('a registry that dies: what is whole stays, for when it is back', async () => {
  const proxy = await through(SECOND.digest, async ({ response }) => {
    response.destroy();
    return true;
  });
  await expect(
    box.store.pull(`${proxy.host}/some/image:1`, { retries: 0, concurrency: 1 }),
  ).rejects.toMatchObject({ code: 'Unavailable' });
  expect((await box.contents()).snapshots).toHaveLength(1);
  await box.store.pull(`${registry.host}/some/image:1`);
});

test('a registry that is killed in the midst of a layer, and comes back: the pull goes on', async () => {
  const proxy = await through(SECOND.digest, async ({ before, response, ask }) => {
    if (before > 1) return false;
    if (before === 0) {
      const { status, headers, body } = await ask();
      await registry.kill();
      response.writeHead(status, headers);
      response.write(body.subarray(0, SECOND.size / 2), () => response.destroy());
    } else {
      await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await registry.restart();
      response.destroy();
    }
    return true;
  });
  const image = await box.store.pull(`${proxy.host}/some/image:1`, { retries: 5 });
  expect((await image.check()).isComplete).toBe(true);
  const ranges = rangesOf(proxy, SECOND);
  expect(ranges[0]).toBeUndefined();
  expect(ranges.at(-1)).toMatch(/^bytes=\d+-\d+$/);
});

test('a registry that lies: nothing stays', async () => {
  const proxy = await through(SECOND.digest, async ({ response, ask }) => {
    const { body, ...answer } = await ask();
    send(response, { ...answer, body: Buffer.from(body).fill(0x55, 2_000_000, 2_000_100) });
    return true;
  });
  await expect(box.store.pull(`${proxy.host}/some/image:1`)).rejects.toMatchObject({ code: 'DataLoss' });
  expect(await box.contents()).toEqual(EMPTY);
});

test('a verifier that refuses keeps the image out', async () => {
  const asked: string[] = [];
  const refuse = (name: string) => {
    asked.push(name);
    return { ok: false, reason: 'not signed' };
  };
  const name = `${registry.host}/some/image:1`;
  await expect(box.store.pull(name, { verify: { verifiers: [refuse] } })).rejects.toMatchObject({
    code: 'PermissionDenied',
    message: `Image "${name}" is refused: not signed`,
  });
  expect(asked).toEqual([name]);
  expect(await box.contents()).toEqual(EMPTY);
});
