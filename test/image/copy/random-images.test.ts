import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  copyImage,
  createImageArchive,
  createImageLayout,
  type Descriptor,
  type ImageSource,
  openImageArchive,
  openImageLayout,
  openRegistry,
  openRegistryTarget,
} from '../../../src/index.js';
import { DockerRegistry } from '../../helpers/docker-registry.js';
import {
  blobFile,
  describe as descriptorOf,
  type Files,
  json,
  writeFiles,
} from '../../helpers/hand-made-image.js';
import { file, tar } from '../../helpers/tar-builder.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// Random images: nested indexes, shared layers, artifacts, Docker's and OCI's media types, unknown fields.

const RUNS = 12;
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);

let directory: string;
let registry: DockerRegistry;
beforeAll(async () => {
  directory = makeWorkDirectory();
  registry = await DockerRegistry.start(join(directory, 'registry'));
});
afterAll(async () => {
  await registry.kill();
  rmSync(directory, { recursive: true });
});

const PLAIN = [0, 1, 2, 3].map((each) => tar(file(`f${each}`, `${each}`.repeat(1000 * each))));

interface Manifest {
  readonly kind: 'image' | 'artifact';
  readonly docker: boolean;
  readonly layers: readonly number[];
  readonly gzip: boolean;
  readonly more: string;
}
type Node = Manifest | { readonly kind: 'index'; readonly children: readonly Node[]; readonly more: string };

const manifest: fc.Arbitrary<Manifest> = fc.record({
  kind: fc.constantFrom('image', 'image', 'artifact'),
  docker: fc.boolean(),
  layers: fc.array(fc.nat(PLAIN.length - 1), { minLength: 1, maxLength: 3 }),
  gzip: fc.boolean(),
  more: fc.string({ maxLength: 4 }),
});
const { node } = fc.letrec<{ readonly node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    manifest,
    fc.record({
      kind: fc.constant('index' as const),
      children: fc.array(tie('node'), { minLength: 1, maxLength: 3 }),
      more: fc.string({ maxLength: 4 }),
    }),
  ),
}));

/** The files of a layout of the image. */
function layoutOf(image: Node): Files {
  const files: Record<string, Uint8Array> = {};
  const put = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const descriptor = descriptorOf(mediaType, bytes);
    files[blobFile(descriptor)] = bytes;
    return descriptor;
  };
  const write = (each: Node): Descriptor => {
    if (each.kind === 'index') {
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const entry = (child: Node) => ({
        ...write(child),
        annotations: { of: each.more },
        unknown: [each.more],
      });
      return put(
        mediaType,
        json({ schemaVersion: 2, mediaType, manifests: each.children.map(entry), more: each.more }),
      );
    }
    const oci = 'application/vnd.oci.image';
    const [own, config, layer] =
      each.kind === 'artifact'
        ? [`${oci}.manifest.v1+json`, 'application/vnd.some.config', 'application/vnd.some.data']
        : each.docker
          ? [
              'application/vnd.docker.distribution.manifest.v2+json',
              'application/vnd.docker.container.image.v1+json',
              `application/vnd.docker.image.rootfs.diff.tar${each.gzip ? '.gzip' : ''}`,
            ]
          : [
              `${oci}.manifest.v1+json`,
              `${oci}.config.v1+json`,
              `${oci}.layer.v1.tar${each.gzip ? '+gzip' : ''}`,
            ];
    const tars = each.layers.map((at) => PLAIN[at]!);
    const diffIDs = tars.map((bytes) => descriptorOf('a/b', bytes).digest);
    const document = {
      os: 'linux',
      architecture: 'amd64',
      more: each.more,
      rootfs: { type: 'layers', diff_ids: diffIDs },
    };
    return put(
      own,
      json({
        schemaVersion: 2,
        mediaType: own,
        config: put(config, json(document)),
        layers: tars.map((bytes) => put(layer, each.gzip ? gzipSync(bytes) : bytes)),
        annotations: { more: each.more },
      }),
    );
  };
  const target = write(image);
  files['oci-layout'] = json({ imageLayoutVersion: '1.0.0' });
  files['index.json'] = json({
    schemaVersion: 2,
    manifests: [{ ...target, annotations: { 'org.opencontainers.image.ref.name': 'example.com/random:1' } }],
  });
  return files;
}

/** Copies from one place to the next. @returns the digests at the target */
async function copied(
  from: Promise<ImageSource>,
  to: ReturnType<typeof createImageLayout>,
  options: Parameters<typeof copyImage>[2] = {},
) {
  await using source = await from;
  await using target = await to;
  return (await copyImage(source, target, options))[0]!.target.digest;
}

test('an image has the same digests after copies between all pairs of forms, and the same tars after conversions', async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(node, async (image) => {
      const root = join(directory, String(run++));
      mkdirSync(root);
      const at = (name: string) => join(root, name);
      const files = layoutOf(image);
      writeFiles(at('in'), files);
      const reference = `${registry.host}/random${run}:1`;
      const want = await copied(openImageLayout(at('in')), createImageLayout(at('layout')));
      expect(await copied(openImageLayout(at('layout')), createImageArchive(at('one.tar')))).toBe(want);
      expect(await copied(openImageArchive(at('one.tar')), openRegistryTarget(reference))).toBe(want);
      expect(
        await copied(openRegistry(reference), openRegistryTarget(`${registry.host}/again${run}:2`)),
      ).toBe(want);
      expect(await copied(openRegistry(reference), createImageArchive(at('two.tar')))).toBe(want);
      expect(await copied(openImageArchive(at('two.tar')), createImageLayout(at('back')))).toBe(want);
      for (const [name, bytes] of Object.entries(files))
        if (name.startsWith('blobs/'))
          expect(readFileSync(at(`back/${name}`)).equals(Buffer.from(bytes))).toBe(true);

      await copied(openImageLayout(at('in')), createImageLayout(at('zstd')), {
        compression: 'zstd',
        oci: true,
      });
      await copied(openImageLayout(at('zstd')), createImageLayout(at('none')), { compression: 'none' });
      await copied(openImageLayout(at('zstd')), createImageLayout(at('gzip')), { compression: 'gzip' });
      const plain = tarsIn(at('none'), (bytes) => bytes);
      expect(tarsIn(at('gzip'), (bytes) => gunzipSync(bytes))).toEqual(plain);
    }),
    { numRuns: RUNS, seed: SEED },
  );
});

/** DiffIDs of all layers of images, which their configs have too. */
function tarsIn(layout: string, plain: (bytes: Buffer) => Buffer): readonly string[] {
  const read = ({ digest }: Pick<Descriptor, 'digest'>) =>
    readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
  const found: string[] = [];
  const walk = (descriptor: Descriptor): void => {
    const document = JSON.parse(read(descriptor).toString());
    for (const child of document.manifests ?? []) walk(child);
    if (document.config?.mediaType !== 'application/vnd.oci.image.config.v1+json') return;
    const diffIDs = document.layers.map(
      (layer: Descriptor) => descriptorOf('a/b', plain(read(layer))).digest,
    );
    expect(diffIDs).toEqual(JSON.parse(read(document.config).toString()).rootfs.diff_ids);
    found.push(...diffIDs);
  };
  for (const entry of JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests) walk(entry);
  return found;
}
