import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Snapshotter } from '../../src/index.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';
import { changesIn, overlayChanges } from '../helpers/overlay-changes.js';
import { buildLayers, containedStacks } from '../helpers/random-layers.js';
import { inShell } from '../helpers/two-trees.js';

// Random changes in an overlay mount, of which both backends have the upperdir. The diff of the active snapshot and the
// committed layer are the same archive, on both.

const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = 12;

const namespace = useNamespace('root');

/** A copy of the socket, whose path is in the variable, in the place of what a name shows. */
const socketChanges = fc.array(
  fc.constantFrom('a', 'b', 'c', 'a/a', 'a/b', 'b/c').map((at) => `rm -rf ${at}; cp -a $SOCKET ${at}`),
  { maxLength: 2 },
);

test('an active snapshot and its commit have one diffID on the backends overlay and erofs', async () => {
  const directory = namespace.directory('disk');
  inShell(directory, `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'`);
  let [runs, compared] = [0, 0];
  await fc.assert(
    fc.asyncProperty(containedStacks, overlayChanges, socketChanges, async (stack, changes, sockets) => {
      const root = join(directory, String(runs++));
      mkdirSync(root);
      const layers = buildLayers(stack).map((layer, index) => {
        const path = join(root, `${index}.tar`);
        writeFileSync(path, layer);
        return path;
      });
      const script = changesIn('MOUNTED', [...changes, ...sockets]).replaceAll(
        '$SOCKET',
        join(directory, 'socket'),
      );
      const diffIDs = await namespace.inside.run(commitOnBoth, root, layers, script);
      rmSync(root, { recursive: true });
      if (diffIDs === null) return;
      expect(new Set(Object.values(diffIDs)).size, JSON.stringify(diffIDs)).toBe(1);
      compared += 1;
    }),
    { numRuns: RUNS, seed: SEED },
  );
  expect(compared).toBeGreaterThan(RUNS / 3);
});

/** @returns null if the layers can't be unpacked */
async function commitOnBoth(
  { overlayer, path, child }: Inside,
  root: string,
  layers: readonly string[],
  script: string,
) {
  const { openSnapshotter, unpackSnapshot, diffSnapshot, withMount, OverlayerError } = overlayer;
  const open = (backend: 'overlay' | 'erofs') => openSnapshotter({ root: path.join(root, backend), backend });
  const upperOf = (backend: string) => path.join(root, backend, `snapshots/${layers.length + 1}/fs`);
  const stores = { overlay: await open('overlay'), erofs: await open('erofs') };
  const unpack = (snapshots: Snapshotter, layer: string, index: number) =>
    unpackSnapshot(snapshots, layer, {
      name: String(index),
      parent: index === 0 ? undefined : String(index - 1),
    });
  try {
    try {
      for (const snapshots of Object.values(stores))
        for (const [index, layer] of layers.entries()) await unpack(snapshots, layer, index);
    } catch (error) {
      if (OverlayerError.is(error) && ['InvalidArgument', 'NotFound'].includes(error.code)) return null;
      throw error;
    }
    const parent = String(layers.length - 1);
    for (const snapshots of Object.values(stores)) await snapshots.prepare('key', { parent });
    await withMount(await stores.overlay.mounts('key'), (mounted) => {
      child.execFileSync('sh', ['-c', script.replaceAll('MOUNTED', mounted)]);
    });
    child.execFileSync('rmdir', [upperOf('erofs')]);
    child.execFileSync('cp', ['-aT', upperOf('overlay'), upperOf('erofs')]);
    const diffIDs: Record<string, string> = {};
    for (const [name, snapshots] of Object.entries(stores)) {
      diffIDs[`${name}, active`] = (await diffSnapshot(snapshots, 'key', { compression: 'none' })).diffID;
      await snapshots.commit('key', { name: 'name' });
      diffIDs[`${name}, committed`] = (await diffSnapshot(snapshots, 'name', { compression: 'none' })).diffID;
    }
    return diffIDs;
  } finally {
    for (const snapshots of Object.values(stores)) await snapshots.close();
  }
}
