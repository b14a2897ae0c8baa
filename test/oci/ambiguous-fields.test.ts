import { describe, expect, test } from 'vitest';
import { parseImageConfig } from '../../src/oci/image-config.js';
import { parseIndex, parseManifest } from '../../src/oci/manifest.js';
import { MEDIA_TYPE } from '../../src/oci/media-types.js';

// Go's encoding/json (containerd, docker, podman, registries) ignores the case of names, takes the last of two fields, and
// merges their objects. A document in which that matters is two images.

const DIGEST = `sha256:${'a'.repeat(64)}`;
const CONFIG = `{"mediaType":"${MEDIA_TYPE.config}","digest":"${DIGEST}","size":7}`;
const LAYER = `{"mediaType":"${MEDIA_TYPE.layerGzip}","digest":"${DIGEST}","size":9}`;
const ENTRY = `{"mediaType":"${MEDIA_TYPE.manifest}","digest":"${DIGEST}","size":5,"platform":{"os":"linux"}}`;
const ROOTFS = `"rootfs":{"type":"layers","diff_ids":["${DIGEST}"]}`;

const manifest = (text: string) => parseManifest(Buffer.from(text), MEDIA_TYPE.manifest);
const index = (text: string) => parseIndex(Buffer.from(text), MEDIA_TYPE.index);
const config = (text: string) => parseImageConfig(Buffer.from(text));
/** The last field again, with another name. */
const also = (object: string, name: string, value: string) => `${object.slice(0, -1)},"${name}":${value}}`;

describe('a manifest', () => {
  const good = `{"config":${CONFIG},"layers":[${LAYER}]}`;
  test.each([
    [also(good, 'Layers', '[]'), 'field layers is written as "Layers"'],
    [also(good, 'LAYERS', 'null'), 'field layers is written as "LAYERS"'],
    [also(good, 'layer\u017f', '[]'), 'field layers is written as "layer\u017f"'],
    [also(good, 'layer\\u0073', `[${LAYER},${LAYER}]`), 'field layers is there twice'],
    [also(good, 'config', CONFIG), 'field config is there twice'],
    [also(good, 'MediaType', `"${MEDIA_TYPE.index}"`), 'field mediaType is written as "MediaType"'],
    [
      good.replace(LAYER, also(LAYER, 'Digest', `"${DIGEST}"`)),
      'field layers.0.digest is written as "Digest"',
    ],
    [good.replace(CONFIG, also(CONFIG, 'size', '8')), 'field config.size is there twice'],
  ])('%s', (text, message) => {
    const error = expect.objectContaining({
      code: 'InvalidArgument',
      message: expect.stringContaining(message),
      hint: expect.stringContaining('do not trust'),
    });
    expect(() => manifest(text)).toThrow(error);
  });

  test('of which other fields are odd: fine', () => {
    const text = also(also(good, 'x', '1'), 'X', `{"config":1,"Config":2,"config":"}\\"{"}`);
    expect(manifest(also(text, 'annotations', '{"a":"1","A":"2"}')).layers).toHaveLength(1);
  });
});

describe('an index', () => {
  const good = `{"manifests":[${ENTRY},${ENTRY}]}`;
  test('with two lists', () => {
    expect(() => index(also(good, 'Manifests', '[]'))).toThrow('field manifests is written as "Manifests"');
  });

  test.each([
    [also(ENTRY, 'DIGEST', `"${DIGEST}"`), 'field manifests.1.digest is written as "DIGEST"'],
    [ENTRY.replace('"os":', '"OS":"plan9","os":'), 'field manifests.1.platform.os'],
    [
      also(also(ENTRY, 'annotations', '{}'), 'annotations', '{}'),
      'field manifests.1.annotations is there twice',
    ],
  ])('of which one entry is ambiguous: %s', (entry, message) => {
    const { manifests, unreadable } = index(`{"manifests":[${ENTRY},${entry},${ENTRY}]}`);
    expect(manifests).toHaveLength(2);
    expect(unreadable.map(({ error }) => error.message)).toEqual([expect.stringContaining(message)]);
  });
});

describe('a config', () => {
  const good = `{"os":"linux",${ROOTFS}}`;
  test.each([
    [also(good, 'RootFS', '{}'), 'field rootfs is written as "RootFS"'],
    [
      good.replace('"diff_ids"', '"Diff_IDs":[],"diff_ids"'),
      'field rootfs.diff_ids is written as "Diff_IDs"',
    ],
    [also(good, 'Architecture', '"arm64"'), 'field architecture is written as "Architecture"'],
  ])('%s', (text, message) => {
    expect(() => config(text)).toThrow(message);
  });

  test.each([
    ['{"Env":["A=1"],"entrypoint":["/evil"]}', 'config.Entrypoint', 'it is written as "entrypoint"'],
    ['{"Env":["A=1"],"Cmd":["a"],"Cmd":["b"]}', 'config.Cmd', 'it is there twice'],
  ])('%s is not run, and can be unpacked', (text, field, reason) => {
    const { process, diffIDs, unread } = config(also(good, 'config', text));
    expect([process.env, process.cmd, process.entrypoint, diffIDs]).toEqual([['A=1'], [], [], [DIGEST]]);
    expect(unread).toContainEqual({ field, reason });
  });

  test('with two defaults of processes is not run', () => {
    const { process, unread } = config(
      also(also(good, 'config', '{"Cmd":["a"]}'), 'config', '{"Env":["x=1"]}'),
    );
    expect([process.cmd, process.env]).toEqual([[], []]);
    expect(unread).toEqual([{ field: 'config', reason: 'it is there twice' }]);
  });
});
