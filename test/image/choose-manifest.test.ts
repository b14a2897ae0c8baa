import { describe, expect, test } from 'vitest';
import { chooseManifest, documentsOf } from '../../src/image/pull/choose-manifest.js';
import type { Descriptor, Digest, ErrorCode } from '../../src/index.js';
import { OverlayerError, parsePlatform } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { describe as descriptorOf, json } from '../helpers/hand-made-image.js';
import { failureOf } from '../helpers/sandbox.js';

/** Documents in memory. */
class Library {
  readonly #blobs = new Map<string, Uint8Array>();
  readonly read: string[] = [];
  readonly documents = documentsOf(async ({ digest }) => {
    this.read.push(digest);
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw new OverlayerError('NotFound', `no ${digest}`);
    return blob;
  });

  add(mediaType: string, document: unknown): Descriptor {
    const bytes = json(document);
    const descriptor = descriptorOf(mediaType, bytes);
    this.#blobs.set(descriptor.digest, bytes);
    return descriptor;
  }

  image(platform: string, configType: string = MEDIA_TYPE.config): Descriptor {
    const [os, architecture, variant] = platform.split('/');
    const config = this.add(configType, {
      os,
      architecture,
      variant,
      rootfs: { type: 'layers', diff_ids: [] },
    });
    return this.add(MEDIA_TYPE.manifest, { schemaVersion: 2, config, layers: [], annotations: { platform } });
  }

  /** With its platform said in the index. */
  listed(platform: string): Descriptor {
    const [os, architecture, variant] = platform.split('/');
    return { ...this.image(platform), platform: { os: os!, architecture: architecture!, variant } };
  }

  index(...manifests: readonly Descriptor[]): Descriptor {
    return this.add(MEDIA_TYPE.index, { schemaVersion: 2, manifests });
  }
}

const library = new Library();

function sha512Entry(platform: string): Descriptor {
  return { ...library.listed(platform), digest: `sha512:${'a'.repeat(128)}` as unknown as Digest };
}

function missing(platform: string): Descriptor {
  return { ...library.listed(platform), digest: `sha256:${'f'.repeat(64)}` };
}
const choose = (target: Descriptor, platform: string) =>
  chooseManifest('name', target, parsePlatform(platform), library.documents);

async function chosen(target: Descriptor, platform: string): Promise<string | undefined> {
  return (await choose(target, platform)).manifest.annotations?.['platform'];
}

test('of an index the manifest of the platform, or the best that runs on it', async () => {
  const index = library.index(
    ...['linux/amd64', 'linux/arm/v6', 'linux/arm/v7', 'linux/arm64'].map((p) => library.listed(p)),
  );
  expect(await chosen(index, 'linux/amd64')).toBe('linux/amd64');
  expect(await chosen(index, 'linux/arm64/v8')).toBe('linux/arm64');
  expect(await chosen(index, 'linux/arm/v7')).toBe('linux/arm/v7');
  expect(await chosen(index, 'linux/arm/v8')).toBe('linux/arm/v7');
});

test('the others are not read', async () => {
  const other = library.listed('linux/s390x');
  await choose(library.index(other, library.listed('linux/amd64')), 'linux/amd64');
  expect(library.read).not.toContain(other.digest);
});

test('where an index does not say, the config does', async () => {
  const index = library.index(library.image('linux/arm64'), library.image('linux/amd64'));
  expect(await chosen(index, 'linux/amd64')).toBe('linux/amd64');
});

test('through indexes in an index; what is no image is passed over', async () => {
  const attestation = library.image('linux/amd64', 'application/vnd.in-toto+json');
  const text = { ...library.image('linux/amd64'), mediaType: 'text/plain' };
  const index = library.index(attestation, text, library.index(library.listed('linux/riscv64')));
  expect(await chosen(index, 'linux/riscv64')).toBe('linux/riscv64');
});

test('what can’t be read, or is not there, is nobody’s care when another is wanted', async () => {
  const absent = { ...missing('linux/amd64'), platform: undefined };
  const deeper = { ...library.index(), digest: `sha256:${'e'.repeat(64)}` } as const;
  const index = library.index(
    ...[absent, deeper, sha512Entry('linux/arm64'), sha512Entry('linux/riscv64')],
    library.listed('linux/riscv64'),
  );
  expect(await chosen(index, 'linux/riscv64')).toBe('linux/riscv64');
});

describe('an image that does not say its platform is for any', () => {
  const any = library.image('');
  test.each([
    ['alone', any],
    ['in an index', library.index(any)],
    ['beside one for another', library.index(library.listed('linux/s390x'), any)],
    [
      'where the index says half of it',
      library.index({ ...any, platform: { os: '', architecture: 'amd64' } }),
    ],
    ['where the index says it', library.index({ ...any, platform: { os: 'linux', architecture: 'amd64' } })],
  ])('%s', async (_, target) => {
    const { config } = await choose(target, 'linux/amd64');
    expect(config.platform).toEqual({ os: 'linux', architecture: 'amd64' });
  });

  test('but one that says it goes before', async () => {
    const index = library.index(any, library.listed('linux/amd64'));
    expect(await chosen(index, 'linux/amd64')).toBe('linux/amd64');
  });

  test('unless the index says it is for another', async () => {
    const index = library.index({ ...any, platform: { os: 'linux', architecture: 's390x' } });
    expect((await failureOf(choose(index, 'linux/amd64'))).code).toBe('NotFound');
  });
});

test.each(['application/octet-stream', 'application/json', 'text/html', MEDIA_TYPE.dockerConfig])(
  'a config of media type %s is an image’s',
  async (type) => expect(await chosen(library.image('linux/amd64', type), 'linux/amd64')).toBe('linux/amd64'),
);

test.each<[what: string, target: Descriptor, code: ErrorCode, says: RegExp]>([
  [
    'an index for others',
    library.index(library.listed('linux/arm64')),
    'NotFound',
    /"name" is not for linux\/amd64, but for linux\/arm64/,
  ],
  ['a manifest for another', library.image('linux/s390x'), 'NotFound', /but for linux\/s390x/],
  ['an empty index', library.index(), 'NotFound', /nothing that could run/],
  [
    'something else than an image',
    library.image('linux/amd64', 'application/vnd.cncf.helm.config.v1+json'),
    'Unimplemented',
    /its config is application\/vnd.cncf.helm.config.v1\+json: a Helm chart/,
  ],
  [
    'an index of artifacts',
    library.index(library.image('linux/amd64', 'application/vnd.cncf.helm.config.v1+json')),
    'Unimplemented',
    /a Helm chart/,
  ],
  [
    'an index whose entry for the platform can’t be read',
    library.index(library.listed('linux/arm64'), sha512Entry('linux/amd64')),
    'Unimplemented',
    /entry 1: .*sha512/,
  ],
  [
    'a platform that is listed, and not there',
    library.index(library.listed('linux/arm64'), missing('linux/amd64')),
    'NotFound',
    /"name" lists linux\/amd64, but without it/,
  ],
  [
    'indexes without end',
    [0, 1, 2, 3, 4].reduce((inner) => library.index(inner), library.index()),
    'ResourceExhausted',
    /deep/,
  ],
  [
    'an index of far too many',
    library.index(...Array.from({ length: 1001 }, (_, at) => descriptorOf(MEDIA_TYPE.manifest, json(at)))),
    'ResourceExhausted',
    /more than 1000/,
  ],
])('refused: %s', async (_, target, code, says) => {
  const error = await failureOf(choose(target, 'linux/amd64'));
  expect([error.code, error.message]).toEqual([code, expect.stringMatching(says)]);
});
