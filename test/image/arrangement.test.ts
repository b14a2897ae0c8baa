import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openImageLayout, parsePlatform, unpackImage } from '../../src/index.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import {
  blobFile,
  describe as descriptorOf,
  type Files,
  json,
  writeFiles,
} from '../helpers/hand-made-image.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { EMPTY, TestStore } from './use-store.js';

// What the entries of a layout are together: one image, several, or something beside them.

interface Made {
  readonly descriptor: Descriptor;
  readonly files: Files;
}

const REF_NAME = 'org.opencontainers.image.ref.name';
const VERIFY = { directory: '/nowhere' };

function manifest(configType: string, config: Buffer, layerType: string, layer: Buffer, more = {}): Made {
  const parts = [descriptorOf(configType, config), descriptorOf(layerType, layer)] as const;
  const bytes = json({ schemaVersion: 2, config: parts[0], layers: [parts[1]], ...more });
  const descriptor = descriptorOf(MEDIA_TYPE.manifest, bytes);
  return {
    descriptor,
    files: { [blobFile(parts[0])]: config, [blobFile(parts[1])]: layer, [blobFile(descriptor)]: bytes },
  };
}

/** One whose only file is `content`. */
function image(content: string, architecture = 'amd64'): Made {
  const layer = tar(file('content', content));
  const diffIDs = [descriptorOf('a/b', layer).digest];
  const config = json({ os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: diffIDs } });
  return manifest(MEDIA_TYPE.config, config, MEDIA_TYPE.layer, layer);
}

const SIGNATURE = manifest(
  'application/vnd.oci.empty.v1+json',
  Buffer.from('{}'),
  'application/vnd.dev.cosign.simplesigning.v1+json',
  Buffer.from('signed'),
  { artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json' },
);

const AMD64 = image('amd64');
const ARM64 = image('arm64', 'arm64');
const S390X = image('s390x', 's390x');
const OTHER = image('other');

const named = ({ descriptor, files }: Made, name: string): Made => ({
  descriptor: { ...descriptor, annotations: { [REF_NAME]: name } },
  files,
});
const forPlatform = ({ descriptor, files }: Made, platform: string): Made => ({
  descriptor: { ...descriptor, platform: parsePlatform(platform) },
  files,
});

const box = new TestStore();
let work: string;
beforeEach(() => {
  work = makeWorkDirectory();
});
afterEach(() => rmSync(work, { recursive: true }));

function layout(...entries: readonly Made[]): string {
  const manifests = entries.map(({ descriptor }) => descriptor);
  return writeFiles(join(work, 'layout'), {
    'oci-layout': json({ imageLayoutVersion: '1.0.0' }),
    'index.json': json({ schemaVersion: 2, manifests }),
    ...Object.assign({}, ...entries.map(({ files }) => files)),
  });
}

const names = async (path: string) => {
  await using source = await openImageLayout(path);
  return (await source.images()).map(({ name }) => name);
};

/** @returns the digest of what was unpacked */
async function unpack(path: string, { name, platform }: { name?: string; platform?: string } = {}) {
  await using source = await openImageLayout(path, { names: name === undefined ? undefined : [name] });
  const options = { verify: VERIFY, platform: platform === undefined ? undefined : parsePlatform(platform) };
  const { layers } = await unpackImage(source, join(work, 'rootfs'), options);
  rmSync(join(work, 'rootfs'), { recursive: true });
  return layers[0]!.diffID;
}

const layerOf = ({ files }: Made) => descriptorOf('a/b', Object.values(files)[1] as Buffer).digest;

describe.each([
  ['of one name', (made: Made) => named(made, 'v1')],
  ['of no name', (made: Made) => made],
])('manifests %s, one for each platform, are one image', (_, call) => {
  test.each([
    [
      'by the index',
      [
        call(forPlatform(ARM64, 'linux/arm64')),
        call(forPlatform(AMD64, 'linux/amd64')),
        call(forPlatform(S390X, 'linux/s390x')),
      ],
    ],
    ['by their configs', [call(ARM64), call(AMD64), call(S390X)]],
  ])('%s', async (__, entries) => {
    const path = layout(...entries);
    expect(await names(path)).toHaveLength(1);
    expect(await unpack(path, { platform: 'linux/amd64' })).toBe(layerOf(AMD64));
    expect(await unpack(path, { platform: 'linux/arm64' })).toBe(layerOf(ARM64));
    const [imported] = await box.store.import(path, {
      platform: parsePlatform('linux/arm64'),
      name: 'app',
      verify: VERIFY,
    });
    expect((await imported!.contents()).layers[0]!.diffID).toBe(layerOf(ARM64));
    expect((await imported!.check()).isComplete).toBe(true);
  });
});

test('two names of one image are no choice, and both are imported', async () => {
  const path = layout(named(AMD64, 'app:1'), named(AMD64, 'app:2'), named(AMD64, 'app:2'));
  expect(await names(path)).toEqual(['docker.io/library/app:1', 'docker.io/library/app:2']);
  expect(await unpack(path)).toBe(layerOf(AMD64));
  expect(await unpack(path, { name: 'app:2' })).toBe(layerOf(AMD64));
  expect(await box.store.import(path, { verify: VERIFY })).toHaveLength(2);
  expect(await box.store.import(path, { verify: VERIFY, name: 'both' })).toHaveLength(1);
});

describe('what is ambiguous is refused, with what there is to choose from:', () => {
  const refused = async (work: PromiseLike<unknown>, hint: string) =>
    await expect(work).rejects.toMatchObject({
      code: 'InvalidArgument',
      hint: expect.stringContaining(hint),
    });

  test('two images, one of them without a name', async () => {
    const path = layout(named(AMD64, 'app:1'), OTHER);
    await refused(unpack(path), `docker.io/library/app:1, ${OTHER.descriptor.digest}`);
    expect(await unpack(path, { name: OTHER.descriptor.digest })).toBe(layerOf(OTHER));
    await refused(box.store.import(path, { name: 'x', verify: VERIFY }), 'docker.io/library/app:1');
    expect(await box.contents()).toEqual(EMPTY);
  });

  test('two images of one name for one platform', async () => {
    const path = layout(named(AMD64, 'app:1'), named(OTHER, 'app:1'));
    await refused(unpack(path, { name: 'app:1' }), OTHER.descriptor.digest);
    await refused(box.store.import(path, { verify: VERIFY }), OTHER.descriptor.digest);
    expect(await unpack(path, { name: AMD64.descriptor.digest })).toBe(layerOf(AMD64));
  });
});

describe('beside an image', () => {
  const beside: Readonly<Record<string, Made>> = {
    'a signature of it': SIGNATURE,
    'a signature with a name': named(SIGNATURE, 'sha256-abc.sig'),
    'an entry of sha512': {
      descriptor: { ...OTHER.descriptor, digest: `sha512:${'a'.repeat(128)}` } as unknown as Descriptor,
      files: {},
    },
    'an entry of another kind': { ...OTHER, descriptor: { ...OTHER.descriptor, mediaType: 'text/plain' } },
    'an entry that is none': { descriptor: null as unknown as Descriptor, files: {} },
  };
  test.each(Object.entries(beside))('%s is passed over', async (what, other) => {
    const path = layout(named(AMD64, 'v1'), other);
    expect(await unpack(path)).toBe(layerOf(AMD64));
    const task = box.store.import(path, { verify: VERIFY });
    const told: string[] = [];
    for await (const event of task) if (event.type === 'pass-over') told.push(event.reason);
    expect((await task).map(({ name }) => name)).toEqual(['v1']);
    // What the layout says is no image at all needs no word (image-layout.md).
    expect(told).toHaveLength(what === 'an entry of another kind' ? 0 : 1);
  });
});

test('what is asked for and is no image says what it is', async () => {
  const path = layout(named(AMD64, 'v1'), named(SIGNATURE, 'sig'));
  await expect(openImageLayout(path, { names: ['sig'] })).rejects.toMatchObject({
    code: 'Unimplemented',
    message: expect.stringContaining('application/vnd.dev.cosign.artifact.sig.v1+json: a signature'),
  });
});

test('a layout of nothing but a signature says what it is', async () => {
  await expect(unpack(layout(SIGNATURE))).rejects.toMatchObject({
    code: 'Unimplemented',
    message: expect.stringContaining('a signature'),
  });
});
