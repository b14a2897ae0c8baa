import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OverlayerError } from '../../src/index.js';
import { parseDescriptor } from '../../src/oci/descriptor.js';
import { MAX_DOCUMENT_BYTES } from '../../src/oci/document.js';
import { parseIndex, parseManifest } from '../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const CONFIG = { mediaType: MEDIA_TYPE.config, digest: DIGEST, size: 7 };
const LAYER = { mediaType: MEDIA_TYPE.layerGzip, digest: DIGEST, size: 9 };
const MANIFEST = { schemaVersion: 2, config: CONFIG, layers: [LAYER, LAYER] };
const INDEX = {
  schemaVersion: 2,
  manifests: [
    {
      mediaType: MEDIA_TYPE.manifest,
      digest: DIGEST,
      size: 5,
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      annotations: { 'org.opencontainers.image.ref.name': 'a' },
    },
  ],
};

const bytes = (document: unknown) => Buffer.from(JSON.stringify(document));
const manifest = (document: unknown, mediaType: string = MEDIA_TYPE.manifest) =>
  parseManifest(bytes(document), mediaType);
const index = (document: unknown, mediaType: string = MEDIA_TYPE.index) =>
  parseIndex(bytes(document), mediaType);

test('a manifest', () => {
  expect(manifest({ ...MANIFEST, annotations: { a: 'b' } })).toEqual({
    mediaType: MEDIA_TYPE.manifest,
    config: CONFIG,
    layers: [LAYER, LAYER],
    annotations: { a: 'b' },
  });
});

test("a manifest of Docker's schema 2", () => {
  const mediaType = MEDIA_TYPE.dockerManifest;
  expect(manifest({ ...MANIFEST, mediaType }, mediaType).mediaType).toBe(mediaType);
});

test('an index', () => {
  expect(index(INDEX)).toEqual({
    mediaType: MEDIA_TYPE.index,
    manifests: [{ ...INDEX.manifests[0], platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }],
    unreadable: [],
  });
});

describe('entries of an index are read one by one', () => {
  const [ENTRY] = INDEX.manifests;
  test.each<readonly [what: string, entry: unknown, code: string, message: string]>([
    ['sha512', { ...ENTRY, digest: `sha512:${'a'.repeat(128)}` }, 'Unimplemented', 'sha512'],
    ['no size', { ...ENTRY, size: undefined }, 'InvalidArgument', 'entry 0: field size: it is missing'],
    ['no media type', { ...ENTRY, mediaType: null }, 'InvalidArgument', 'field mediaType'],
    ['another digest', { ...ENTRY, digest: 'blake3:aa' }, 'InvalidArgument', 'field digest'],
  ])('one with %s does not keep the other', (_, entry, code, message) => {
    const { manifests, unreadable } = index({ ...INDEX, manifests: [entry, ENTRY] });
    expect(manifests).toHaveLength(1);
    expect(unreadable).toMatchObject([
      { error: { code, message: expect.stringContaining(message) }, platform: { architecture: 'arm' } },
    ]);
  });

  test.each([[null], ['text'], [[]], [7]])('nor does %j', (entry) => {
    const { manifests, unreadable } = index({ ...INDEX, manifests: [entry, ENTRY] });
    expect([manifests.length, unreadable.length]).toEqual([1, 1]);
  });

  test.each([
    ['platform', { os: 'linux', architecture: 7 }, { os: 'linux', architecture: '' }],
    ['platform', 'linux/arm', undefined],
    ['annotations', { a: 1 }, undefined],
    ['annotations', { a: null }, { a: '' }],
    ['annotations', null, undefined],
    ['urls', [1], undefined],
  ])('%s, which nothing hangs on: %j', (field, value, read) => {
    expect(index({ manifests: [{ ...ENTRY, [field]: value }] }).manifests[0]).toHaveProperty(field, read);
  });
});

test.each([undefined, null, 0])(
  'schemaVersion %s is that of Go for one that is not there',
  (schemaVersion) => {
    expect(manifest({ ...MANIFEST, schemaVersion, mediaType: null, manifests: null }).layers).toHaveLength(2);
  },
);

test.each([undefined, null, ''])('a config of no media type: %j', (mediaType) => {
  expect(manifest({ ...MANIFEST, config: { ...CONFIG, mediaType } }).config.mediaType).toBe('');
});

test('an index that nothing leads to says itself what it is', () => {
  const { dockerIndex } = MEDIA_TYPE;
  expect(parseIndex(bytes({ ...INDEX, mediaType: dockerIndex })).mediaType).toBe(dockerIndex);
  expect(parseIndex(bytes(INDEX)).mediaType).toBe(MEDIA_TYPE.index);
  expect(() => parseIndex(bytes({ ...INDEX, mediaType: MEDIA_TYPE.manifest }))).toThrow('field mediaType');
});

test('lists that Go spells as null are empty', () => {
  expect(manifest({ ...MANIFEST, layers: null }).layers).toEqual([]);
  expect(index({ ...INDEX, manifests: null }).manifests).toEqual([]);
});

test('fields that nobody knows are passed over', () => {
  expect(manifest({ ...MANIFEST, subject: CONFIG, 'x-other': [1] }).config).toEqual(CONFIG);
});

test('a descriptor says where a foreign layer is', () => {
  const foreign = { ...LAYER, urls: ['https://example.com/layer'] };
  expect(parseDescriptor(foreign)).toEqual(foreign);
});

describe('the field at fault is named', () => {
  test.each([
    ['schemaVersion', { ...MANIFEST, schemaVersion: 3 }],
    ['config', { schemaVersion: 2, layers: [] }],
    ['config.digest', { ...MANIFEST, config: { ...CONFIG, digest: 'sha256:short' } }],
    ['config.digest', { ...MANIFEST, config: { ...CONFIG, digest: 'sha512:short' } }],
    ['layers.1.size', { ...MANIFEST, layers: [LAYER, { ...LAYER, size: -1 }] }],
    ['layers.0.size', { ...MANIFEST, layers: [{ ...LAYER, size: 2 ** 53 }] }],
    ['layers.0.size', { ...MANIFEST, layers: [{ ...LAYER, size: '9' }] }],
    ['layers.0.mediaType', { ...MANIFEST, layers: [{ ...LAYER, mediaType: 'none\n' }] }],
    ['layers', { ...MANIFEST, layers: {} }],
  ])('%s', (field, document) => {
    expect(() => manifest(document)).toThrow(
      expect.objectContaining({
        code: 'InvalidArgument',
        message: expect.stringContaining(`field ${field}: `),
      }),
    );
  });

  test('and what a hostile document says is cut, and shown without its control characters', () => {
    const digest = `\u001b[2J${'x'.repeat(100_000)}`;
    const error = thrown(() => manifest({ ...MANIFEST, config: { ...CONFIG, digest } }));
    expect(error.message.length).toBeLessThan(400);
    expect(error.message).toContain('\\x1b[2J');
  });
});

describe('a document that could be read as two (CVE-2021-41190)', () => {
  test.each([
    ['a manifest with manifests', () => manifest({ ...MANIFEST, manifests: [] })],
    [
      'a manifest with Manifests, which Go reads as manifests',
      () => manifest({ ...MANIFEST, Manifests: [] }),
    ],
    ['an index with layers', () => index({ ...INDEX, layers: [] })],
    ['an index with a config', () => index({ ...INDEX, config: CONFIG })],
    ['a manifest that calls itself an index', () => manifest({ ...MANIFEST, mediaType: MEDIA_TYPE.index })],
    [
      "a manifest that calls itself Docker's",
      () => manifest({ ...MANIFEST, mediaType: MEDIA_TYPE.dockerManifest }),
    ],
    ['an index that calls itself a manifest', () => index({ ...INDEX, mediaType: MEDIA_TYPE.manifest })],
    ['a media type that is not text', () => manifest({ ...MANIFEST, mediaType: 7 })],
    ['a manifest that is asked for as an index', () => index(MANIFEST, MEDIA_TYPE.manifest)],
    ['a config that is asked for as a manifest', () => manifest(MANIFEST, MEDIA_TYPE.config)],
  ])('%s', (_, parse) => {
    expect(thrown(parse).code).toBe('InvalidArgument');
  });
});

describe('what overlayer does not read', () => {
  test.each([
    [
      'schema 1 by its media type',
      () => manifest({}, 'application/vnd.docker.distribution.manifest.v1+prettyjws'),
    ],
    ['schema 1 by its version', () => manifest({ schemaVersion: 1, fsLayers: [], history: [] })],
    ['schema 1 hidden in schema 2', () => manifest({ ...MANIFEST, fsLayers: [] })],
    ['sha512', () => manifest({ ...MANIFEST, config: { ...CONFIG, digest: `sha512:${'a'.repeat(128)}` } })],
  ])('%s', (_, parse) => {
    expect(thrown(parse)).toMatchObject({ code: 'Unimplemented', hint: expect.any(String) });
  });
});

describe('what is not JSON', () => {
  test.each([
    ['nothing', ''],
    ['zeros', Buffer.alloc(1000)],
    ['a list', '[]'],
    ['null', 'null'],
    ['two objects', '{}{}'],
    ['a byte order mark', '\ufeff{}'],
    ['bytes that are no UTF-8 and no text', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a million brackets', '['.repeat(1_000_000)],
  ])('%s', (_, text) => {
    expect(thrown(() => parseManifest(Buffer.from(text as string), MEDIA_TYPE.manifest)).code).toBe(
      'InvalidArgument',
    );
  });

  test('more than the bound', () => {
    const large = Buffer.alloc(MAX_DOCUMENT_BYTES + 1, ' ');
    expect(thrown(() => parseIndex(large, MEDIA_TYPE.index)).code).toBe('ResourceExhausted');
  });

  test('more entries of an index than its bound', () => {
    const ofEntries = (count: number) =>
      Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: Array<number>(count).fill(0) }));
    expect(parseIndex(ofEntries(65_536), MEDIA_TYPE.index).unreadable).toHaveLength(65_536);
    const error = thrown(() => parseIndex(ofEntries(65_537), MEDIA_TYPE.index));
    expect(error).toMatchObject({ code: 'ResourceExhausted', hint: expect.stringContaining('indexes') });
    expect(error.message).toContain('65537 entries');
  });
});

test('any JSON is a manifest and an index, or refused with a typed error', () => {
  const value = fc.letrec((tie) => ({
    document: fc.record(
      {
        schemaVersion: fc.constantFrom(1, 2, '2'),
        mediaType: fc.constantFrom(...Object.values(MEDIA_TYPE)),
        config: tie('descriptor'),
        layers: fc.oneof(fc.array(tie('descriptor')), fc.json()),
        manifests: fc.array(tie('descriptor')),
        annotations: fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())),
      },
      { requiredKeys: [] },
    ),
    descriptor: fc.oneof(fc.constantFrom(CONFIG, LAYER, { ...LAYER, size: 1e300 }), fc.jsonValue()),
  })).document;
  fc.assert(
    fc.property(fc.oneof(value, fc.jsonValue()), (document) => {
      for (const parse of [() => manifest(document), () => index(document)]) {
        try {
          parse();
        } catch (error) {
          expect(OverlayerError.is(error) && error.code).toBeOneOf(['InvalidArgument', 'Unimplemented']);
        }
      }
    }),
  );
});

function thrown(act: () => unknown): OverlayerError {
  try {
    act();
  } catch (error) {
    if (OverlayerError.is(error)) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
