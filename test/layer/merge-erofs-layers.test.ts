import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { mergeErofsLayers, unpackLayer } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';
import { file, hardlink, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const namespace = useNamespace('root');
const work = makeWorkDirectory('disk');
afterAll(() => rmSync(work, { recursive: true }));

const at = (name: string) => join(work, name);
const layers = [at('lower.erofs'), at('upper.erofs')];
await unpackLayer(tar(file('kept', 'x'.repeat(5000)), file('hidden', '')), layers[0]!, { target: 'erofs' });
await unpackLayer(tar(whiteout('hidden'), file('own', 'y')), layers[1]!, { target: 'erofs' });

/** Mounts, and reads every file. */
async function contents(source: string, ...options: string[]): Promise<unknown> {
  const mount = { type: 'erofs', source, options: ['ro', ...options] };
  return await namespace.inside.run(
    async ({ overlayer, fs, path }, mounts) =>
      await overlayer.withMount(mounts, async (root) =>
        Object.fromEntries(
          fs.readdirSync(root).map((name) => [name, fs.readFileSync(path.join(root, name), 'latin1').length]),
        ),
      ),
    [mount],
  );
}

test('metadata are mounted with the layer files as devices', async () => {
  const { size, metadataSize } = await mergeErofsLayers(layers, at('metadata'));
  const bytes = readFileSync(at('metadata'));
  expect([size, metadataSize]).toEqual([bytes.length, bytes.length]);
  expect(await contents(at('metadata'), ...layers.map((layer) => `device=${layer}`))).toEqual({
    kept: 5000,
    own: 1,
  });
});

test('a disk has the metadata and the layer files, and is mounted alone', async () => {
  const { size, metadataSize, offsets } = await mergeErofsLayers(layers, at('disk'), {
    form: 'disk',
    sync: false,
  });
  const disk = readFileSync(at('disk'));
  expect(size).toBe(disk.length);
  const [lower, upper] = layers.map((layer) => readFileSync(layer));
  expect(offsets).toEqual([metadataSize, metadataSize + lower!.length]);
  expect(disk.subarray(metadataSize).equals(Buffer.concat([lower!, upper!]))).toBe(true);
  expect(await contents(at('disk'))).toEqual({ kept: 5000, own: 1 });
});

test('a failure leaves no file', async () => {
  const before = readdirSync(work);
  writeFileSync(at('damaged.erofs'), readFileSync(layers[0]!).fill(0xff, 1024, 1100));
  const damaged = await failureOf(mergeErofsLayers([layers[0]!, at('damaged.erofs')], at('none')));
  expect(damaged.message).toMatch(/^Layer file ".*damaged.erofs": /);
  const onDamaged = unpackLayer(tar(hardlink('a', 'kept')), at('none'), {
    target: 'erofs',
    lowers: [at('damaged.erofs')],
  });
  expect((await failureOf(onDamaged)).message).toMatch(/Layer file ".*damaged.erofs": /);
  expect(await failureOf(mergeErofsLayers([], at('none')))).toMatchObject({ code: 'InvalidArgument' });
  expect(await failureOf(mergeErofsLayers([at('missing')], at('none')))).toMatchObject({ code: 'NotFound' });
  expect(await failureOf(mergeErofsLayers(layers, layers[0]!))).toMatchObject({ code: 'AlreadyExists' });
  await expect(mergeErofsLayers(layers, at('none'), { signal: AbortSignal.abort('enough') })).rejects.toBe(
    'enough',
  );
  expect(readdirSync(work).filter((name) => name !== 'damaged.erofs')).toEqual(before);
});

test('an abort while it works leaves no file, unless the file is complete', async () => {
  const controller = new AbortController();
  const before = readdirSync(work);
  const merging = mergeErofsLayers(layers, at('last'), { signal: controller.signal });
  setImmediate(() => controller.abort('enough'));
  const left = await merging.then(
    () => [...before, 'last'],
    (reason) => {
      expect(reason).toBe('enough');
      return before;
    },
  );
  expect(readdirSync(work).sort()).toEqual(left.sort());
});
