import { rmSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { buildLayers, layerStacks } from '../helpers/random-layers.js';
import { expectSameTrees } from '../helpers/same-trees.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { DaemonProcess } from './daemon-process.js';
import {
  connectAll,
  ImageUnpacker,
  type Manner,
  readSnapshot,
  type Services,
  type UnpackedImage,
  type UnpackHow,
} from './image-unpacker.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

/** The same stacks in every run; others by the environment variable. */
const SEED = Number(process.env['OVERLAYER_FUZZ_SEED'] ?? 1);
const RUNS = { overlay: 25, erofs: 10 } as const;

let directory: string;
let daemon: DaemonProcess;
let services: Services;
let host: MountNamespace;

const unpack = (manner: Manner, layers: readonly Uint8Array[], how?: UnpackHow) =>
  new ImageUnpacker(services, manner).unpack(layers, how);

const treeOf = ({ committed }: UnpackedImage) => readSnapshot(services, committed.at(-1)!, host, directory);

async function expectSame(layers: readonly Uint8Array[], manner: Manner): Promise<void> {
  const [serial, parallel] = [await unpack('serial', layers), await unpack(manner, layers)];
  expect(parallel.failed).toBe(serial.failed);
  expect(parallel.committed.length).toBe(serial.committed.length);
  if (serial.committed.length > 0) expectSameTrees(await treeOf(serial), await treeOf(parallel));
}

const OWNED = { mode: 0o700, uid: 1000, gid: 1000, xattrs: { 'user.kept': 'value' } };
const BASE = tar(
  dir('./', { mode: 0o711, uid: 1, gid: 2, xattrs: { 'user.root': 'r' } }),
  dir('data', OWNED),
  dir('data/deep', { ...OWNED, mode: 0o1777 }),
  file('data/file', 'of the base'),
  file('data/deep/gone', ''),
  dir('replaced'),
  file('replaced/old', ''),
  dir('usr'),
  dir('usr/bin', { mode: 0o750 }),
  symlink('bin', 'usr/bin'),
);

const STACKS = {
  'directories that it does not list': [BASE, tar(file('data/deep/new', ''))],
  'the same, in a layer of the middle': [
    BASE,
    tar(file('data/deep/new', '')),
    tar(file('data/deep/last', '')),
  ],
  'a hard link to a lower file': [BASE, tar(dir('data', OWNED), hardlink('data/link', 'data/file'))],
  'a whiteout in a directory that it does not list': [BASE, tar(whiteout('data/deep/gone'))],
  'whiteouts and opaque directories that it lists': [
    BASE,
    tar(
      dir('data', OWNED),
      whiteout('data/file'),
      dir('replaced'),
      opaque('replaced'),
      file('replaced/new', ''),
    ),
  ],
  'an opaque directory that it does not list': [BASE, tar(opaque('data'), file('data/new', ''))],
  'an opaque root': [BASE, tar(opaque(''), file('new', ''))],
  'a path through a lower symlink': [BASE, tar(file('bin/tool', ''))],
  nothing: [BASE, tar()],
} as const;

describe.each(['overlay', 'erofs'] as const)('%s', (backend) => {
  const start = () => DaemonProcess.startIn(host, directory, '--backend', backend);
  beforeAll(async () => {
    directory = makeWorkDirectory();
    host = await MountNamespace.startShared();
    daemon = await start();
    services = connectAll(daemon.address);
  });
  afterAll(async () => {
    services.close();
    await daemon.stop();
    await host.close();
    rmSync(directory, { recursive: true });
  });

  async function restart(): Promise<void> {
    await daemon.stop();
    daemon = await start();
  }

  describe.each<Manner>(['parallel', 'parallel of 2.2'])('%s: all comes out as layer by layer', (manner) => {
    test.each(Object.entries(STACKS))('%s', async (_, layers) => {
      const unpacked = await unpack(manner, layers);
      expect(unpacked.failed).toBeUndefined();
      await expectSame(layers, manner);
    });

    test('a hard link to nothing fails', async () => {
      const layers = [tar(file('a', '')), tar(hardlink('link', 'nothing'))];
      expect(await unpack(manner, layers)).toMatchObject({
        failed: 'NotFound',
        committed: [expect.any(String)],
      });
      expect(await unpack(manner, layers.slice(1))).toMatchObject({ failed: 'NotFound', committed: [] });
    });

    test(`${RUNS[backend]} random stacks`, async () => {
      const property = fc.asyncProperty(layerStacks, (stack) => expectSame(buildLayers(stack), manner));
      await fc.assert(property, { numRuns: RUNS[backend], seed: SEED });
    });

    test('also when the daemon is started again in between', async () => {
      const layers = Object.values(STACKS).map(([, layer]) => layer);
      const serial = await unpack('serial', [BASE, ...layers]);
      const parallel = await unpack(manner, [BASE, ...layers], { beforeCommits: restart });
      expectSameTrees(await treeOf(serial), await treeOf(parallel));
    });
  });

  test('all snapshots are as they were made', async () => {
    await expectWholeSnapshots(daemon.root);
  });
});
