import { expect, test } from 'vitest';
import { unpackImage } from '../../../src/index.js';
import { TestStore } from '../use-store.js';
import { useSampleRegistry } from './sample-registry.js';

// Nothing is asked for twice: each request takes a round trip, and registries have limits.
const sample = useSampleRegistry(1000);
const place = new TestStore('native');

const requests = (...made: readonly (readonly [method: string, path: string])[]) =>
  made.map(([method, path]) => `${method} /v2/some/image/${path}`);
const image = () => [
  ['GET', 'manifests/1'] as const,
  ['GET', `blobs/${sample.image.config.digest}`] as const,
  ['GET', `blobs/${sample.image.layer.digest}`] as const,
];

test('an image that is unpacked is asked for once', async () => {
  const { source, proxy } = await sample.through('', () => false);
  await unpackImage(source, `${place.directory}/rootfs`);
  expect(proxy.requests.map(({ method, url }) => `${method} ${url}`)).toEqual(requests(...image()));
});

test('an image that is pulled is asked for once, and then whether it is still the same', async () => {
  const { proxy } = await sample.through('', () => false);
  const made = () => proxy.requests.splice(0).map(({ method, url }) => `${method} ${url}`);
  await place.store.pull(`${proxy.host}/some/image:1`);
  expect(made()).toEqual(requests(...image()));
  await place.store.pull(`${proxy.host}/some/image:1`);
  expect(made()).toEqual(requests(['HEAD', 'manifests/1']));
});
