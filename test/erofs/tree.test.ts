import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MODE } from '../../src/erofs/format.js';
import { ErofsTree, NONE } from '../../src/erofs/index.js';
import { imageOf } from './image.js';

const ATTRIBUTES = { mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };

const name = fc.oneof(
  fc.string({ minLength: 1, maxLength: 9, unit: fc.constantFrom('a', 'b') }),
  fc
    .string({ minLength: 1, maxLength: 80, unit: 'binary' })
    .map((text) => text.toWellFormed().replaceAll(/[/\0]/g, '-')),
  fc.constantFrom('\udcff', 'a\udc80', 'n'.repeat(255), 'n'.repeat(254)),
);
const steps = fc.array(fc.record({ directory: fc.nat(2), name, removes: fc.boolean() }), { maxLength: 400 });

test('names are found in the directory that has them, and nowhere else', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const tree = new ErofsTree();
      const directories = ['x', 'y', 'z'].map((each) => {
        const inode = tree.addInode(MODE.directory, ATTRIBUTES);
        tree.link(tree.root, each, inode);
        return { inode, names: new Map<string, number>() };
      });
      for (const { directory, name, removes } of all) {
        const { inode, names } = directories[directory]!;
        expect(tree.lookup(inode, name)).toBe(names.get(name) ?? NONE);
        if (names.has(name)) {
          if (!removes) continue;
          tree.unlink(tree.find(inode, name));
          names.delete(name);
        } else {
          const added = tree.addInode(MODE.fifo, ATTRIBUTES);
          expect(tree.textOf(tree.link(inode, name, added))).toBe(name);
          names.set(name, added);
        }
      }
      for (const { inode, names } of directories) {
        const found: [string, number][] = [];
        for (let at = tree.first(inode); at !== NONE; at = tree.next(at))
          found.push([tree.textOf(at), tree.inodeOf(at)]);
        expect(found).toEqual([...names]);
      }
      const left = directories.reduce((sum, { names }) => sum + names.size, 3);
      expect(tree.names).toBe(left);
    }),
    { numRuns: 150 },
  );
});

test('a tree of 100,000 levels takes no recursion', () => {
  const tree = new ErofsTree();
  let at = tree.root;
  for (let depth = 0; depth < 100_000; depth++) {
    const below = tree.addInode(MODE.directory, ATTRIBUTES);
    tree.link(at, 'd', below);
    at = below;
  }
  expect(imageOf(tree).length).toBeGreaterThan(100_000 * 96);
});

test('an entry takes at most 150 bytes beside its name', () => {
  let kept = 0;
  const tree = new ErofsTree((bytes) => {
    kept += bytes;
  });
  for (let at = 0; at < 1000; at++)
    tree.link(tree.root, String(at).padStart(10), tree.addInode(MODE.file, ATTRIBUTES));
  expect(kept / 1000).toBeLessThan(160);
});
