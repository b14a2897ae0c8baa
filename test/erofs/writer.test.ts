import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MODE } from '../../src/erofs/format.js';
import { ErofsTree } from '../../src/erofs/index.js';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { sha256, type Tree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { imageOf } from './image.js';

const mounts = useErofsMounts();

const ATTRIBUTES = { mode: 0o644, uid: 1000, gid: 70_000, mtimeSec: 1_700_000_000, mtimeNsec: 123_456_789 };

/** The tree as the kernel mounts it. */
async function mounted(tree: ErofsTree, data?: Uint8Array): Promise<Tree> {
  const directory = makeWorkDirectory();
  try {
    const image = join(directory, 'image.erofs');
    writeFileSync(image, imageOf(tree, data));
    return await mounts.show([image]);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('the kernel mounts files of each type with their attributes', async () => {
  const tree = new ErofsTree();
  const data = Buffer.from('the data of a file');
  const directory = tree.addInode(MODE.directory, { ...ATTRIBUTES, mode: 0o2751 });
  tree.link(tree.root, 'directory', directory);
  const file = tree.addInode(MODE.file, { ...ATTRIBUTES, mtimeSec: -5, mode: 0o4755 });
  tree.setFile(file, data.length, 4096);
  tree.setXattrs(
    file,
    new Map([
      ['user.a', Buffer.from('value')],
      ['trusted.b', new Uint8Array(0)],
    ]),
  );
  tree.link(directory, 'file', file);
  tree.link(tree.root, 'other name', file);
  const symlink = tree.addInode(MODE.symlink, { ...ATTRIBUTES, mode: 0o777 });
  tree.setTarget(symlink, 'directory/file');
  tree.link(tree.root, 'symlink', symlink);
  const device = tree.addInode(MODE.blockDevice, ATTRIBUTES);
  tree.setDevice(device, 259, 70_001);
  tree.link(tree.root, 'device', device);
  tree.link(tree.root, 'fifo', tree.addInode(MODE.fifo, ATTRIBUTES));
  const common = { mode: '0644', uid: 1000, gid: 70_000, mtime: 1_700_000_000_123_456_789n, xattrs: {} };
  const linked = {
    ...{
      ...common,
      type: 'file',
      mode: '4755',
      mtime: -4_876_543_211n,
      size: data.length,
      sha256: sha256(data),
    },
    ...{ linkOf: 'directory/file', xattrs: { 'user.a': 'value', 'trusted.b': '' } },
  };
  expect(Object.fromEntries(await mounted(tree, data))).toEqual({
    '.': { ...common, type: 'directory', mode: '0755', uid: 0, gid: 0, mtime: 0n },
    directory: { ...common, type: 'directory', mode: '2751' },
    'directory/file': linked,
    'other name': linked,
    symlink: { ...common, type: 'symlink', mode: '0777', target: 'directory/file' },
    device: { ...common, type: 'block-device', device: '259:70001' },
    fifo: { ...common, type: 'fifo' },
  });
});

test('a directory of 20,000 names is found by each of them', async () => {
  const tree = new ErofsTree();
  const directory = tree.addInode(MODE.directory, { ...ATTRIBUTES, mode: 0o755 });
  tree.link(tree.root, 'd', directory);
  // "-" and "+" are before ".", and ".+" is between "." and "..".
  const names = ['-', '+x', '.+', '.a', '...', '..b', 'é', '\udcff\udc80', 'n'.repeat(255)];
  for (let at = 0; at < 20_000; at++) names.push(`${(at * 7919) % 20_000}`);
  for (const name of names) tree.link(directory, name, tree.addInode(MODE.fifo, ATTRIBUTES));
  const found = await mounted(tree);
  expect([...found.keys()].sort()).toEqual(['.', 'd', ...names.map((name) => `d/${name}`)].sort());
});
