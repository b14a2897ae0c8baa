import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  type Descriptor,
  type ErrorCode,
  type ImageSource,
  openImageLayout,
  unpackImage,
} from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import { BACKENDS } from '../helpers/backends.js';
import {
  blobFile,
  describe as describeBlob,
  type Files,
  json,
  layoutFiles,
  writeFiles,
} from '../helpers/hand-made-image.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { EMPTY, TestStore } from './use-store.js';

const LAYERS = ['one', 'two', 'three'].map((name) => gzipSync(tar(file(name, randomBytes(20_000)))));
const WHOLE = layoutFiles({}, LAYERS);
const [, SECOND] = LAYERS.map((layer) => describeBlob(MEDIA_TYPE.layerGzip, layer));

/** The image, with another manifest or config. */
function changed(change: (documents: { manifest: Manifest; config: Config }) => void): Files {
  const find = (wanted: string) =>
    JSON.parse(
      Object.values(WHOLE)
        .map((content) => Buffer.from(content).toString())
        .find((content) => content.startsWith('{') && content.includes(wanted))!,
    );
  const documents = { manifest: find('"layers":['), config: find('diff_ids') };
  change(documents);
  const config = json(documents.config);
  documents.manifest.config = describeBlob(MEDIA_TYPE.config, config);
  const manifest = json(documents.manifest);
  const described = describeBlob(MEDIA_TYPE.manifest, manifest);
  return {
    ...WHOLE,
    [blobFile(documents.manifest.config)]: config,
    [blobFile(described)]: manifest,
    'index.json': json({ schemaVersion: 2, manifests: [described] }),
  };
}

interface Manifest {
  config: Descriptor;
  layers: { mediaType: string; digest: string; size: number }[];
}

interface Config {
  os: string;
  rootfs: { type: string; diff_ids: string[] };
}

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const OTHER = `sha256:${'0'.repeat(64)}`;
const flip = (bytes: Uint8Array) => Buffer.from(bytes).fill(0x55, 5000, 5010);

const FAULTS: readonly (readonly [what: string, image: Files, code: ErrorCode, says: RegExp])[] = [
  ['a layer with other bytes', { ...WHOLE, [blobFile(SECOND!)]: flip(LAYERS[1]!) }, 'DataLoss', /./],
  [
    'a layer of another digest',
    { ...WHOLE, [blobFile(SECOND!)]: gzipSync(tar()) },
    'DataLoss',
    /size|digest/,
  ],
  [
    'a layer that is cut off',
    { ...WHOLE, [blobFile(SECOND!)]: LAYERS[1]!.subarray(0, 9000) },
    'DataLoss',
    /./,
  ],
  [
    'a layer that goes on',
    { ...WHOLE, [blobFile(SECOND!)]: Buffer.concat([LAYERS[1]!, Buffer.alloc(9)]) },
    'DataLoss',
    /size|digest/,
  ],
  [
    'a missing layer',
    Object.fromEntries(Object.entries(WHOLE).filter(([name]) => name !== blobFile(SECOND!))),
    'NotFound',
    /is not in/,
  ],
  [
    'a wrong diffID',
    changed(({ config }) => config.rootfs.diff_ids.splice(1, 1, OTHER)),
    'DataLoss',
    /diffID/,
  ],
  [
    'a wrong size',
    changed(({ manifest }) => {
      manifest.layers[1]!.size += 1;
    }),
    'DataLoss',
    /size/,
  ],
  [
    'fewer diffIDs than layers',
    changed(({ config }) => void config.rootfs.diff_ids.pop()),
    'InvalidArgument',
    /3 layers, its config 2/,
  ],
  [
    'another type of root filesystem',
    changed(({ config }) => {
      config.rootfs.type = 'zip';
    }),
    'InvalidArgument',
    /type/,
  ],
  [
    'another platform',
    changed(({ config }) => {
      config.os = 'plan9';
    }),
    'NotFound',
    /is not for .*, but for plan9/,
  ],
  [
    'too many layers',
    changed(({ manifest, config }) => {
      manifest.layers = Array(501).fill(manifest.layers[0]!);
      config.rootfs.diff_ids = Array(501).fill(config.rootfs.diff_ids[0]!);
    }),
    'ResourceExhausted',
    /501 layers/,
  ],
  [
    'a layer that is none',
    changed(({ manifest }) => {
      manifest.layers[0]!.mediaType = 'text/plain';
    }),
    'Unimplemented',
    /media type/,
  ],
];

describe.each(BACKENDS)('%s: nothing stays of an image that has', (backend) => {
  const box = new TestStore(backend);

  test.each(FAULTS)('%s', async (_, files, code, says) => {
    const layout = writeFiles(join(box.directory, 'layout'), files);
    const error = await failureOf(box.store.import(layout, { concurrency: 3 }));
    expect([error.code, error.message]).toEqual([code, expect.stringMatching(says)]);
    expect(await box.contents()).toEqual(EMPTY);
  });

  test('a layer that is wrong; what was whole before stays whole', async () => {
    const base = writeFiles(join(box.directory, 'base'), layoutFiles({}, LAYERS.slice(0, 1)));
    await box.store.import(base);
    const before = await box.contents();
    const layout = writeFiles(join(box.directory, 'layout'), {
      ...WHOLE,
      [blobFile(SECOND!)]: flip(LAYERS[1]!),
    });
    await failureOf(box.store.import(layout));
    expect(await box.contents()).toEqual(before);
    expect((await (await box.store.images.get('sample:1')).check()).isComplete).toBe(true);
  });
});

describe('a document that can not be kept', () => {
  const box = new TestStore();

  test.each(['"layers":[', 'diff_ids'])('with %s: the layers are taken back', async (wanted) => {
    const layout = writeFiles(join(box.directory, 'layout'), WHOLE);
    const document = Object.values(WHOLE).find((content) => Buffer.from(content).includes(wanted))!;
    const ref = `document-sha256:${sha256(document)}`;
    // Where its bytes are to be.
    const obstacle = join(box.root, 'content', 'ingest', sha256(ref), 'data');
    mkdirSync(obstacle, { recursive: true });
    const error = await failureOf(box.store.import(layout));
    expect(error.message).toContain(`ingest "${ref}"`);
    expect(error.code).not.toBe('Unavailable');
    rmSync(dirname(obstacle), { recursive: true, force: true });
    expect(await box.contents()).toEqual(EMPTY);
    await box.store.import(layout);
  });
});

describe('what was kept', () => {
  const box = new TestStore();

  test('and is damaged is fetched anew', async () => {
    const layout = writeFiles(join(box.directory, 'layout'), WHOLE);
    const [image] = await box.store.import(layout);
    const { layers } = await image!.contents();
    for (const { chainID } of layers.toReversed()) await box.store.snapshots.remove(chainID);
    const path = await box.store.content.path(SECOND!.digest);
    const damaged = flip(LAYERS[1]!);
    rmSync(path);
    writeFileSync(path, damaged);
    await box.store.import(layout);
    expect(await box.store.content.verify(SECOND!.digest)).toEqual({ state: 'whole' });
    expect((await image!.check()).isComplete).toBe(true);
  });

  test('of a layer that was interrupted, and is damaged, is fetched anew', async () => {
    const layout = writeFiles(join(box.directory, 'layout'), WHOLE);
    {
      await using ingest = await box.store.content.openIngest(`layer-${SECOND!.digest}`, {
        size: SECOND!.size,
      });
      await ingest.write(flip(LAYERS[1]!).subarray(0, 10_000));
    }
    const [image] = await box.store.import(layout);
    expect((await image!.check()).isComplete).toBe(true);
    expect((await box.contents()).ingests).toEqual([]);
  });
});

describe('a source that never ends', () => {
  const box = new TestStore();

  test('is left', async () => {
    const target = describeBlob(MEDIA_TYPE.manifest, json({}));
    async function* endless() {
      for (;;) yield new Uint8Array(1000);
    }
    const close = async () => {};
    const source: ImageSource = {
      description: 'endless',
      images: async () => [{ name: 'x', target }],
      open: async () => ({ bytes: endless(), offset: 0 }),
      close,
      [Symbol.asyncDispose]: close,
    };
    expect((await failureOf(unpackImage(source, join(box.directory, 'x')))).code).toBe('DataLoss');
  });
});

describe('what is wrong inside of a layer', () => {
  const box = new TestStore();

  test('is said with the layer: imported, and unpacked', async () => {
    const wrong = tar(file('one', '1'), file('two', '2'));
    wrong[1024 + 148] = 0x39; // the checksum of the second header
    const layout = writeFiles(join(box.directory, 'layout'), layoutFiles({}, [LAYERS[0]!, wrong]));
    const says = { message: expect.stringMatching(`^Layer sha256:${sha256(wrong)}: `), offset: 1024 };
    await expect(box.store.import(layout)).rejects.toMatchObject(says);
    await using source = await openImageLayout(layout);
    await expect(unpackImage(source, join(box.directory, 'rootfs'))).rejects.toMatchObject(says);
  });
});
