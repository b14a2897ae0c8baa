import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectSameTrees } from '../helpers/same-trees.js';
import { dir, file, opaque, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { OTHER_LAYER } from './containerd-process.js';
import { DaemonProcess } from './daemon-process.js';
import { connect } from './grpc-client.js';
import {
  type Apply,
  applyBy,
  connectAll,
  haveBlob,
  ImageUnpacker,
  type Manner,
  readSnapshot,
  type Services,
  type UnpackedImage,
} from './image-unpacker.js';
import { useContainerd } from './use-containerd.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

// Layers that overlayer does not unpack, into its snapshots, by containerd's own differ.

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

describe.each(['overlay', 'erofs'] as const)('%s', (backend) => {
  const used = useContainerd({ version: '2.1', backend });
  let directory: string;
  let daemon: DaemonProcess;
  let services: Services;
  let containerd: Pick<Services, 'diff' | 'content'>;

  // containerd's own daemon would not do: containerd removes snapshots there that it does not know.
  beforeAll(async () => {
    directory = makeWorkDirectory(backend === 'erofs' ? 'disk' : 'fast');
    daemon = await DaemonProcess.startIn(used.host, directory, '--backend', backend);
    services = connectAll(daemon.address);
    const { address } = used.containerd;
    containerd = { diff: connect('diff', address), content: connect('content', address) };
  });
  afterAll(async () => {
    for (const client of [services, containerd.diff, containerd.content]) client.close();
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });

  async function unpack(manner: Manner, by: 'us' | 'containerd'): Promise<UnpackedImage> {
    const unpacker = new ImageUnpacker(services, manner);
    const apply: Apply = async (layer, mounts) => {
      if (by === 'us' || layer === BASE) return await unpacker.apply(layer, mounts);
      await haveBlob(containerd.content, layer);
      return await applyBy(containerd.diff, OTHER_LAYER, layer, mounts);
    };
    return await unpacker.unpack([BASE, NEXT], { apply });
  }

  const treeOf = ({ committed }: UnpackedImage) =>
    readSnapshot(services, committed.at(-1)!, used.host, directory);

  test('all comes out as by our own', async () => {
    const ours = await unpack('serial', 'us');
    const theirs = await unpack('parallel', 'containerd');
    expect(theirs.failed).toBeUndefined();
    expectSameTrees(await treeOf(ours), await treeOf(theirs));
  });

  test('where nothing said that a parent would come, it is refused', async () => {
    const { failed, committed } = await unpack('parallel of 2.2', 'containerd');
    expect(failed).toBe('FailedPrecondition');
    expect(committed).toHaveLength(1);
  });

  test('all snapshots are as they were made', async () => {
    await expectWholeSnapshots(daemon.root);
  });
});
