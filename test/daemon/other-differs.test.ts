import { afterAll, beforeAll, expect, test } from 'vitest';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { expectSameTrees } from '../helpers/same-trees.js';
import { dir, file, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import { readTree, type Tree } from '../helpers/tree.js';
import { OTHER_LAYER } from './containerd-process.js';
import { connect } from './grpc-client.js';
import {
  type Apply,
  applyBy,
  connectAll,
  haveBlob,
  ImageUnpacker,
  type Manner,
  type UnpackedImage,
} from './image-unpacker.js';
import { useContainerd } from './use-containerd.js';
import { useDaemon } from './use-daemon.js';

// Layers that overlayer does not unpack, into its snapshots, by containerd's own differ.

const used = useContainerd({ version: '2.1' });

let namespace: MountNamespace;
beforeAll(async () => {
  namespace = await MountNamespace.start('root');
});
afterAll(() => namespace.close());

const OWNED = { mode: 0o700, uid: 1000, gid: 1000, xattrs: { 'user.kept': 'value' } };
const BASE = tar(
  dir('./', { mode: 0o711, uid: 1, gid: 2 }),
  dir('data', OWNED),
  dir('data/deep', { ...OWNED, mode: 0o1777 }),
  file('data/deep/gone', ''),
  ...['replaced', 'hidden'].flatMap((name) => [dir(name, OWNED), file(`${name}/old`, '')]),
);
const NEXT = tar(
  file('data/deep/new', ''),
  whiteout('data/deep/gone'),
  dir('replaced'),
  opaque('replaced'),
  file('replaced/new', ''),
  opaque('hidden'),
  file('hidden/new', ''),
  dir('listed'),
);

interface Unpacked extends UnpackedImage {
  readonly tree: Tree;
}

async function unpack(
  manner: Manner,
  layers: readonly Uint8Array[],
  by: 'us' | 'containerd',
): Promise<Unpacked> {
  // Of another daemon than containerd's: it removes snapshots there that it does not know.
  const { daemon, directory } = await useDaemon();
  const services = connectAll(daemon.address);
  const containerd = {
    diff: connect('diff', used.containerd.address),
    content: connect('content', used.containerd.address),
  };
  try {
    const unpacker = new ImageUnpacker(services, manner);
    const apply: Apply = async (layer, mounts) => {
      if (by === 'us' || layer === layers[0]) return await unpacker.apply(layer, mounts);
      await haveBlob(containerd.content, layer);
      return await applyBy(containerd.diff, OTHER_LAYER, layer, mounts);
    };
    const image = await unpacker.unpack(layers, { apply });
    const mounted = await namespace.mountOverlay(directory, image.trees);
    const tree = readTree(mounted);
    await namespace.unmount(mounted);
    return { ...image, tree };
  } finally {
    for (const client of [services, ...Object.values(containerd)]) client.close();
  }
}

test('all comes out as by our own', async () => {
  const ours = await unpack('serial', [BASE, NEXT], 'us');
  const theirs = await unpack('parallel', [BASE, NEXT], 'containerd');
  expect(theirs.failed).toBeUndefined();
  expectSameTrees(ours.tree, theirs.tree);
});

test('where nothing said that a parent would come, it is refused', async () => {
  const { failed, trees } = await unpack('parallel of 2.2', [BASE, NEXT], 'containerd');
  expect(failed).toBe('FailedPrecondition');
  expect(trees).toHaveLength(1);
});
