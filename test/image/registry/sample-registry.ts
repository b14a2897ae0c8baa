import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { type ImageSource, type OpenRegistryOptions, openRegistry } from '../../../src/index.js';
import { DockerRegistry, makeSampleImage, push, type SampleImage } from '../../helpers/docker-registry.js';
import { read } from '../../helpers/read-blob.js';
import { type Exchange, type Meddling, RegistryProxy } from '../../helpers/registry-proxy.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

/** What a test file pulls from: an image in a registry of its own, there from its first test to its last. */
export interface SampleRegistry {
  readonly directory: string;
  readonly image: SampleImage;
  readonly registry: DockerRegistry;
  /** The image, through a proxy that meddles with what is asked about some of its paths. Both end with the test. */
  through(
    about: string,
    meddle: Meddling,
    options?: OpenRegistryOptions,
  ): Promise<{ readonly source: ImageSource; readonly proxy: RegistryProxy }>;
  /** Pulls the image from somewhere, and compares it. */
  pull(host: string, options?: OpenRegistryOptions): Promise<void>;
}

/** @param bytes of the image's only layer, about */
export function useSampleRegistry(bytes: number): SampleRegistry {
  const directory = makeWorkDirectory();
  const open: (() => Promise<void>)[] = [];
  let image: SampleImage;
  let registry: DockerRegistry;
  beforeAll(async () => {
    vi.stubEnv('DOCKER_CONFIG', directory);
    vi.stubEnv('REGISTRY_AUTH_FILE', undefined);
    image = makeSampleImage(directory, randomBytes(bytes));
    registry = await DockerRegistry.start(join(directory, 'registry'));
    await push(image, `${registry.host}/some/image:1`);
  });
  afterEach(async () => {
    for (const close of open.splice(0)) await close();
  });
  afterAll(async () => {
    await registry.kill();
    rmSync(directory, { recursive: true });
  });
  return {
    directory,
    get image() {
      return image;
    },
    get registry() {
      return registry;
    },
    async through(about, meddle, options) {
      const proxy = await RegistryProxy.start(registry.host, about, meddle);
      // Requests are counted: on a busy machine a blob would come slowly enough for further connections.
      const given = { retries: 2, connections: 1, ...options };
      const source = await openRegistry(`${proxy.host}/some/image:1`, given);
      open.push(
        () => source.close(),
        () => proxy.close(),
      );
      return { source, proxy };
    },
    async pull(host, options) {
      await using source = await openRegistry(`${host}/some/image:1`, { retries: 1, ...options });
      const [found] = await source.images();
      expect(found?.target).toEqual(image.manifest);
      const { bytes } = await read(source, image.layer);
      expect(bytes.equals(image.bytes(image.layer))).toBe(true);
    },
  };
}

export const refuse =
  (status: number, headers: Readonly<Record<string, string>> = {}, body = '') =>
  ({ response }: Pick<Exchange, 'response'>): true => {
    response.writeHead(status, headers).end(body);
    return true;
  };
