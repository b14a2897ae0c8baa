import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  copyImage,
  createImageArchive,
  createImageLayout,
  type ImageSource,
  type ImageTarget,
  openImageLayout,
} from '../../../src/index.js';
import {
  blobFile,
  describe as descriptorOf,
  LAYERS,
  layoutFiles,
  writeFiles,
} from '../../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

let directory: string;
const at = (name: string) => join(directory, name);
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

const TARGETS: Readonly<Record<string, () => Promise<ImageTarget>>> = {
  layout: () => createImageLayout(at('out')),
  'OCI archive': () => createImageArchive(at('out')),
  'archive of docker': () => createImageArchive(at('out'), { format: 'docker-archive' }),
};

const LAYER = descriptorOf('a/b', LAYERS[1]!);

/** A source whose second layer has other bytes than its digest says. */
function source(bytes: Uint8Array): Promise<ImageSource> {
  return openImageLayout(writeFiles(at('in'), layoutFiles({ [blobFile(LAYER)]: bytes })));
}

function changedSource(source: ImageSource, changes: Partial<ImageSource>): ImageSource {
  const { description } = source;
  const close = () => source.close();
  return {
    description,
    images: () => source.images(),
    open: (...args) => source.open(...args),
    close,
    [Symbol.asyncDispose]: close,
    ...changes,
  };
}

const changed = Buffer.from(LAYERS[1]!);
changed[600]! ^= 1;
const LIES = {
  'other bytes': changed,
  'too few bytes': LAYERS[1]!.subarray(0, 1024),
  'too many bytes': Buffer.concat([LAYERS[1]!, Buffer.alloc(512)]),
} as const;

describe.each(Object.keys(TARGETS))('a copy to a new %s', (name) => {
  test.each(Object.keys(LIES) as (keyof typeof LIES)[])(
    'of a layer with %s names the blob and the source, and leaves nothing',
    async (lie) => {
      await using from = await source(LIES[lie]);
      await using to = await TARGETS[name]!();
      await expect(copyImage(from, to)).rejects.toMatchObject({
        code: 'DataLoss',
        message: expect.stringMatching(new RegExp(`${LAYER.digest}.*${at('in')}`)),
      });
      await to.close();
      expect(readdirSync(directory)).toEqual(['in']);
    },
  );

  test('that is aborted leaves nothing', async () => {
    await using from = await source(LAYERS[1]!);
    await using to = await TARGETS[name]!();
    const reason = new Error('enough');
    const controller = new AbortController();
    const slow = changedSource(from, {
      async open(...args) {
        if (args[0].digest === LAYER.digest) controller.abort(reason);
        return await from.open(...args);
      },
    });
    await expect(copyImage(slow, to, { signal: controller.signal })).rejects.toBe(reason);
    await to.close();
    expect(readdirSync(directory)).toEqual(['in']);
  });
});

test('a layer that is converted is compared with its digest and its diffID', async () => {
  await using from = await source(changed);
  await using to = await createImageLayout(at('out'));
  await expect(copyImage(from, to, { compression: 'gzip' })).rejects.toMatchObject({
    code: 'DataLoss',
    message: expect.stringContaining(LAYER.digest),
  });
});

test('several images need several names', async () => {
  await using from = await openImageLayout(writeFiles(at('in'), layoutFiles()));
  const [image] = await from.images();
  const two = changedSource(from, { images: async () => [image!, { ...image!, name: 'other' }] });
  await using to = await createImageLayout(at('out'));
  await expect(copyImage(two, to, { name: 'one' })).rejects.toMatchObject({ code: 'InvalidArgument' });
  await copyImage(two, to);
  await using both = await openImageLayout(at('out'));
  expect((await both.images()).length).toBe(2);
});
