import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { type Mount, OverlayerError, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { mergeErofsLayers } from '../../src/layer/index.js';
import { diffMounts, unpackSnapshot } from '../../src/snapshot/index.js';
import { lookMounted } from '../helpers/look-mounted.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const namespace = useNamespace('root');
const work = makeWorkDirectory('disk');
afterAll(() => rmSync(work, { recursive: true }));

let roots = 0;

async function openRoot(): Promise<{ readonly root: string; readonly snapshots: Snapshotter }> {
  const root = join(work, String(roots++));
  return { root, snapshots: await openSnapshotter({ root, backend: 'erofs' }) };
}

/** @returns the name of the uppermost snapshot: the stack ends below a layer that can't be unpacked */
async function unpackAll(snapshots: Snapshotter, layers: readonly Buffer[]): Promise<string | undefined> {
  let parent: string | undefined;
  for (const [at, layer] of layers.entries())
    try {
      await unpackSnapshot(snapshots, layer, { name: `layer ${at}`, parent });
      parent = `layer ${at}`;
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      break;
    }
  return parent;
}

const show = (mounts: readonly Mount[]): Promise<Tree> =>
  lookMounted(namespace, mounts, join(work, 'mounted'), readTree);

const LAYERS = [tar(dir('d'), file('d/a', 'a'), file('d/b', 'b')), tar(whiteout('d/a'), file('d/c', 'c'))];
const mergedIn = (root: string, id: number) => join(root, `snapshots/${id}/merged.erofs`);

test('a view of random layers shows the tree of their overlay', async () => {
  await fc.assert(
    fc.asyncProperty(layerStacks, async (stack) => {
      const { root, snapshots } = await openRoot();
      const parent = await unpackAll(snapshots, buildLayers(stack));
      const merged = await snapshots.view('merged', { parent });
      const overlay = await snapshots.view('overlay', { parent, merged: false });
      expect(diffTrees(await show(overlay), await show(merged))).toEqual([]);
      await snapshots.close();
      rmSync(root, { recursive: true });
    }),
    { numRuns: Number(process.env['OVERLAYER_STACK_RUNS'] ?? 10) },
  );
});

test('views of a snapshot are one mount of one file', async () => {
  const { root, snapshots } = await openRoot();
  const parent = await unpackAll(snapshots, LAYERS);
  const [first, second] = [await snapshots.view('v', { parent }), await snapshots.view('w', { parent })];
  const layers = [1, 2].map((id) => `device=${join(root, `snapshots/${id}/layer.erofs`)}`);
  const sharedIn = join(root, 'shared-mounts');
  const options = ['ro', ...layers];
  expect(first).toEqual([{ type: 'erofs', source: mergedIn(root, 3), options, sharedIn }]);
  expect(await snapshots.mounts('v')).toEqual(first);
  const inodes = [first[0]!.source, second[0]!.source].map((path) => statSync(path).ino);
  expect(inodes[0]).toBe(inodes[1]);
  await snapshots.close();
});

test('the usage of a snapshot counts the merged file of its views once', async () => {
  const { root, snapshots } = await openRoot();
  const parent = (await unpackAll(snapshots, LAYERS))!;
  const before = await snapshots.usage(parent);
  await snapshots.view('v', { parent });
  await snapshots.view('w', { parent });
  const merged = statSync(mergedIn(root, 3)).blocks * 512;
  expect(merged).toBeGreaterThan(0);
  expect(await snapshots.usage(parent)).toEqual({ ...before, bytes: before.bytes + merged });
  expect(await snapshots.usage('v')).toEqual({ bytes: 0, inodes: 0 });
  await snapshots.close();
});

test('the mounts of a view are described layer by layer where one mount is not wanted', async () => {
  const { root, snapshots } = await openRoot();
  const parent = await unpackAll(snapshots, LAYERS);
  await snapshots.view('v', { parent });
  const mounts = await snapshots.mounts('v', { merged: false });
  const files = [2, 1].map((id) => join(root, `snapshots/${id}/layer.erofs`));
  expect(mounts.slice(0, -1).map(({ source }) => source)).toEqual(files);
  expect(mounts.at(-1)).toMatchObject({
    type: 'format/overlay',
    options: expect.arrayContaining(['lowerdir={{ overlay 0 1 }}']),
  });
  await snapshots.close();
});

test('a view of one layer has no merged file', async () => {
  const { snapshots } = await openRoot();
  await unpackAll(snapshots, LAYERS);
  const mounts = await snapshots.view('v', { parent: 'layer 0' });
  expect(mounts.flatMap(({ options }) => options).filter((option) => option.startsWith('device='))).toEqual(
    [],
  );
  await snapshots.close();
});

test('a diff of merged views is the tar of the layer', async () => {
  const { snapshots } = await openRoot();
  const layers = [...LAYERS, tar(file('d/e', 'e'))];
  const parent = await unpackAll(snapshots, layers);
  const left = await snapshots.view('left', { parent: 'layer 1' });
  const diff: Uint8Array[] = [];
  const right = await snapshots.view('right', { parent });
  for await (const piece of diffMounts(left, right, { compression: 'none' })) diff.push(piece);
  expect(Buffer.concat(diff).equals(layers.at(-1)!)).toBe(true);
  await snapshots.close();
});

test.each(['a byte', 'the end'])(
  'damage of %s of a merged file is found, and the file is made again',
  async (what) => {
    const { root, snapshots } = await openRoot();
    const parent = await unpackAll(snapshots, LAYERS);
    const [mount] = await snapshots.view('v', { parent });
    const whole = readFileSync(mount!.source);
    const damaged = Buffer.from(whole);
    damaged[damaged.length - 100]! ^= 1;
    writeFileSync(mount!.source, what === 'a byte' ? damaged : whole.subarray(0, -512));
    const found = (await snapshots.check()).findings;
    expect(found.map(({ kind, snapshot }) => [kind, snapshot]).sort()).toEqual([
      ['merged-file', 'layer 1'],
      ['merged-file', 'v'],
    ]);
    const { findings, damaged: isDamaged } = await snapshots.check({ repair: () => undefined });
    expect([findings.map(({ outcome }) => outcome), isDamaged]).toEqual([['repaired', 'repaired'], false]);
    expect((await snapshots.check()).findings).toEqual([]);
    expect([...(await show(await snapshots.mounts('v'))).keys()]).toContain('d/c');
    const [again] = await snapshots.view('w', { parent });
    expect(readFileSync(again!.source).equals(whole)).toBe(true);
    expect(existsSync(mergedIn(root, 3))).toBe(false);
    await snapshots.close();
  },
);

test('the rest of a merge that a crash has ended is removed with its view', async () => {
  const { root, snapshots } = await openRoot();
  const parent = await unpackAll(snapshots, LAYERS);
  const before = readdirSync(join(root, 'snapshots')).sort();
  // A view is made in a directory without a record. Files of its layers are read there, and nothing else is written.
  const staged = join(root, 'snapshots', 'new-crashed');
  mkdirSync(staged);
  await mergeErofsLayers(
    [1, 2].map((id) => join(root, `snapshots/${id}/layer.erofs`)),
    join(staged, 'merged.erofs'),
  );
  await snapshots.cleanup();
  expect(readdirSync(join(root, 'snapshots')).sort()).toEqual(before);
  expect((await snapshots.view('v', { parent }))[0]).toMatchObject({ type: 'erofs' });
  await snapshots.close();
});

test('an abort leaves no file', async () => {
  const { root, snapshots } = await openRoot();
  const parent = await unpackAll(snapshots, LAYERS);
  const signal = AbortSignal.timeout(0);
  await snapshots.view('v', { parent, signal }).catch(() => {});
  await snapshots.cleanup();
  const files = readdirSync(join(root, 'snapshots'), { recursive: true });
  expect(
    files.filter((name) => !/(^\d+$|record$|layer\.erofs$|merged\.erofs$|fs$)/.test(String(name))),
  ).toEqual([]);
  await snapshots.close();
});
