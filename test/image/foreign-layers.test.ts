import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openImageLayout, unpackImage } from '../../src/index.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';
import {
  blobFile,
  describe as descriptorOf,
  json,
  LAYERS,
  layoutFiles,
  writeFiles,
} from '../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { TestStore } from './use-store.js';

const box = new TestStore();
let work: string;
beforeEach(() => {
  work = makeWorkDirectory();
});
afterEach(() => rmSync(work, { recursive: true }));

const verify = { directory: '/nowhere' };

describe.each([
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
])('a layer that is not to be distributed, %s,', (mediaType) => {
  const urls = ['http://127.0.0.1:1/layer'];
  const layers = LAYERS.map((layer) => ({ ...descriptorOf(mediaType, layer), urls }));

  function write(): string {
    const files = layoutFiles() as Record<string, Buffer>;
    const [{ digest }] = JSON.parse(files['index.json']!.toString()).manifests;
    const { config } = JSON.parse(files[`blobs/${digest.replace(':', '/')}`]!.toString());
    const manifest = json({ schemaVersion: 2, config, layers });
    const target = descriptorOf(MEDIA_TYPE.manifest, manifest);
    const index = json({ schemaVersion: 2, manifests: [target] });
    return writeFiles(join(work, 'layout'), { ...files, [blobFile(target)]: manifest, 'index.json': index });
  }
  const remove = (layout: string) => rmSync(join(layout, blobFile(layers[1]!)));

  test('is read where it is there', async () => {
    const layout = write();
    await using source = await openImageLayout(layout);
    expect((await unpackImage(source, join(work, 'rootfs'), { verify })).layers).toHaveLength(2);
    const [image] = await box.store.import(layout, { verify });
    expect((await image!.check()).isComplete).toBe(true);
  });

  test('is not looked for elsewhere where it is not, and said', async () => {
    const layout = write();
    remove(layout);
    const refused = {
      code: 'NotFound',
      message: `Layer ${layers[1]!.digest} is not distributed with its image: ${mediaType}`,
      hint: expect.stringContaining('overlayer content ingest'),
    };
    await using source = await openImageLayout(layout);
    await expect(unpackImage(source, join(work, 'rootfs'), { verify })).rejects.toMatchObject(refused);
    await expect(box.store.import(layout, { verify })).rejects.toMatchObject(refused);
  });

  test('is taken from the content store where the user has put it', async () => {
    const layout = write();
    remove(layout);
    const ingest = await box.store.content.openIngest('layer');
    await ingest.write(LAYERS[1]!);
    await ingest.commit({ digest: layers[1]!.digest });
    const [image] = await box.store.import(layout, { verify });
    expect((await image!.check()).isComplete).toBe(true);
  });
});
