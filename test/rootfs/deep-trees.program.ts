import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createDiff, openSnapshotter } from '../../src/index.js';
import { withChild } from '../../src/rootfs/directory.js';
import { copyTree } from '../../src/rootfs/trees/copy-tree.js';
import { measureUsage } from '../../src/rootfs/trees/measure-usage.js';
import { removeTree } from '../../src/rootfs/trees/remove-tree.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O } from '../../src/system/system.js';
import { makeDeepTree } from '../helpers/deep-tree.js';

// What deep-trees.test.ts runs in a process of its own, which may open few files.

const [task, root] = process.argv.slice(2) as [keyof typeof tasks, string];
const system = openLinuxSystem();
const tree = join(root, 'tree');

const withDirectory = <T>(path: string, use: (descriptor: number) => T): T =>
  withChild(system, AT_FDCWD, path, O.RDONLY | O.DIRECTORY, use);

async function diff(lower: string | undefined, upper: string) {
  const diff = createDiff({ lower, upper }, { compression: 'none' });
  for await (const _ of diff);
  const { entries, whiteouts } = await diff;
  return { entries, whiteouts };
}

const tasks = {
  remove() {
    withDirectory(root, (parent) => removeTree(system, parent, 'tree'));
    return existsSync(tree);
  },
  measure: () => withDirectory(tree, (directory) => measureUsage(system, directory).inodes),
  async copy() {
    const copy = join(root, 'copy');
    mkdirSync(copy);
    withDirectory(tree, (from) => withDirectory(copy, (to) => copyTree(system, from, to)));
    return await diff(tree, copy);
  },
  first: () => diff(undefined, tree),
  async change() {
    const other = join(root, 'other');
    makeDeepTree(other, 'another content');
    return await diff(tree, other);
  },
  async snapshot() {
    await using snapshots = await openSnapshotter({ root: join(root, 'store'), backend: 'overlay' });
    await snapshots.prepare('key');
    makeDeepTree(join(root, 'store/snapshots/1/fs/deep'), 'content');
    await snapshots.commit('key', { name: 'name' });
    const { usage } = await snapshots.usage('name').then((usage) => ({ usage }));
    const { findings, unverified } = await snapshots.check();
    await snapshots.remove('name');
    mkdirSync(join(root, 'store/snapshots/77'));
    makeDeepTree(join(root, 'store/snapshots/77/fs'), 'content');
    const { removed, failed } = await snapshots.cleanup();
    return { inodes: usage.inodes, findings, unverified, removed, failed };
  },
};

makeDeepTree(tree, 'content');
console.log(JSON.stringify(await tasks[task]()));
