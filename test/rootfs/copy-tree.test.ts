import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyTree } from '../../src/rootfs/trees/copy-tree.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, S, type System, SystemError } from '../../src/system/system.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { setXattr } from '../helpers/xattrs.js';

const MIB = 1024 ** 2;
const real = openLinuxSystem();

let root: string;
let from: string;
let to: string;
beforeEach(() => {
  root = makeWorkDirectory('disk');
  [from, to] = [join(root, 'from'), join(root, 'to')];
  for (const path of [from, to]) mkdirSync(path);
});
afterEach(() => rmSync(root, { recursive: true }));

function copy(system: System = real): void {
  const [source, target] = [openSync(from, 'r'), openSync(to, 'r')];
  try {
    copyTree(system, source, target);
  } finally {
    for (const descriptor of [source, target]) closeSync(descriptor);
  }
}

function writeAll(): void {
  mkdirSync(join(from, 'a/b'), { recursive: true });
  writeFileSync(join(from, 'a/file'), 'text');
  writeFileSync(join(from, 'a/empty'), '');
  writeFileSync(join(from, 'large'), Buffer.alloc(3 * MIB + 5, 'large '));
  writeFileSync(Buffer.concat([Buffer.from(`${from}/not-utf8-`), Buffer.of(0xff)]), 'bytes');
  linkSync(join(from, 'a/file'), join(from, 'a/b/linked'));
  linkSync(join(from, 'a/file'), join(from, 'z'));
  symlinkSync('../nowhere', join(from, 'a/symlink'));
  linkSync(join(from, 'a/symlink'), join(from, 'symlink-too'));
  real.makeNode(AT_FDCWD, join(from, 'null'), S.IFCHR | 0o666, 1, 3);
  real.makeNode(AT_FDCWD, join(from, 'disk'), S.IFBLK | 0o600, 7, 300);
  real.makeNode(AT_FDCWD, join(from, 'pipe'), S.IFIFO | 0o4620, 0, 0);
  setXattr(join(from, 'a/file'), 'user.note', 'of the file');
  setXattr(join(from, 'a'), 'trusted.overlay.overlay.opaque', 'y');
  chownSync(join(from, 'a/file'), 11, 12);
  chownSync(join(from, 'a'), 13, 14);
  chmodSync(join(from, 'a/file'), 0o4755);
  setXattr(
    join(from, 'a/file'),
    'security.capability',
    '\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00',
  );
  chmodSync(join(from, 'a'), 0o1770);
  chmodSync(from, 0o710);
  for (const name of ['a/file', 'null', 'a/b', 'a', '.'])
    utimesSync(join(from, name), 1.25, 1_000_000_000.125);
  lutimesSync(join(from, 'a/symlink'), 2, 3);
}

test('all of it: links, devices, owners, modes, attributes, times', () => {
  writeAll();
  copy();
  const copied = readTree(to);
  expect(diffTrees(readTree(from), copied)).toEqual([]);
  expect(copied.get('a/b/linked')?.linkOf).toBe('a/b/linked');
  expect(copied.get('z')?.linkOf).toBe('a/b/linked');
});

test('holes stay holes', () => {
  const descriptor = openSync(join(from, 'sparse'), 'w');
  writeSync(descriptor, 'begins', 0);
  writeSync(descriptor, 'later', 64 * MIB);
  closeSync(descriptor);
  truncateSync(join(from, 'sparse'), 200 * MIB);
  writeFileSync(join(from, 'hole'), '');
  truncateSync(join(from, 'hole'), 100 * MIB);
  copy();
  expect(diffTrees(readTree(from), readTree(to))).toEqual([]);
  for (const name of ['sparse', 'hole']) expect(statSync(join(to, name)).blocks * 512).toBeLessThan(MIB);
});

describe('where the kernel copies nothing', () => {
  test.each(['EXDEV', 'ENOSYS', 'EOPNOTSUPP', 'EINVAL'])('(%s) bytes are read and written', (errno) => {
    writeAll();
    truncateSync(join(from, 'large'), 10 * MIB);
    const refuse = (): never => {
      throw new SystemError(errno, 'copy', '');
    };
    copy({ ...real, cloneFile: refuse, copyRange: refuse });
    expect(diffTrees(readTree(from), readTree(to))).toEqual([]);
    expect(statSync(join(to, 'large')).blocks * 512).toBeLessThan(4 * MIB);
  });

  test('a full disk is an error', () => {
    writeAll();
    const refuse = (): never => {
      throw new SystemError('ENOSPC', 'copy_file_range', '');
    };
    expect(() => copy({ ...real, cloneFile: refuse })).toThrow('ENOSPC');
  });
});

describe('on a file system that shares blocks', () => {
  const namespace = useNamespace('root');

  test.each(['xfs', 'btrfs'])('%s: a copy takes no space', async (type) => {
    const directory = namespace.directory('disk');
    const image = join(directory, 'image');
    writeFileSync(image, '');
    truncateSync(image, 400 * MIB);
    execFileSync(`mkfs.${type}`, ['-q', image]);
    const used = await namespace.inside.run(
      async ({ overlayer, fs, path, child }, directory, image) => {
        const mounted = path.join(directory, 'mounted');
        fs.mkdirSync(mounted);
        child.execFileSync('mount', ['-o', 'loop', image, mounted]);
        const free = () => {
          child.execFileSync('sync', ['-f', mounted]);
          const { bfree, bsize } = fs.statfsSync(mounted);
          return bfree * bsize;
        };
        const root = path.join(mounted, 'root');
        const snapshots = await overlayer.openSnapshotter({ root, backend: 'native' });
        const [mount] = await snapshots.prepare('a');
        fs.writeFileSync(path.join(mount!.source, 'large'), Buffer.alloc(64 * 1024 ** 2, 'x'));
        await snapshots.commit('a', { name: 'A' });
        const before = free();
        const [child1] = await snapshots.prepare('b', { parent: 'A' });
        const same = fs
          .readFileSync(path.join(child1!.source, 'large'))
          .equals(fs.readFileSync(path.join(mount!.source, 'large')));
        const used = before - free();
        await snapshots.close();
        child.execFileSync('umount', [mounted]);
        return { used, same };
      },
      directory,
      image,
    );
    expect(used.same).toBe(true);
    expect(used.used).toBeLessThan(4 * MIB);
  });
});
