import { closeSync, mkdirSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statId } from '../../src/rootfs/directory.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { resolveInRoot } from '../../src/system/resolve-in-root.js';
import { O, SystemError } from '../../src/system/system.js';
import { targetIn } from '../helpers/target-in.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const system = openLinuxSystem();

let base: string;
let root: number;
beforeAll(() => {
  base = makeWorkDirectory();
  const tree = join(base, 'tree');
  for (const path of ['a/b/c', 'd', '../outside']) mkdirSync(join(tree, path), { recursive: true });
  const links = {
    up: '..',
    'a/up': '../..',
    'a/absolute': '/d',
    'a/b/out': '../../../../outside',
    'a/b/c/far': '/a/up/a/b',
    'd/loop': 'loop',
    'd/nowhere': 'none',
    'd/dots': './../a//b/.',
  };
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(tree, path));
  root = openSync(tree, 'r');
});
afterAll(() => {
  closeSync(root);
  rmSync(base, { recursive: true });
});

/** What is found, or why nothing is. */
function outcome(open: () => number): string {
  try {
    const descriptor = open();
    const id = statId(system.stat(descriptor));
    system.close(descriptor);
    return id;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return error.errno;
  }
}

const names = fc.constantFrom(
  'a',
  'b',
  'c',
  'd',
  'up',
  'absolute',
  'out',
  'far',
  'loop',
  'nowhere',
  'dots',
  '..',
  '.',
  '',
);
const paths = fc.array(names, { maxLength: 8 }).map((path) => path.join('/'));

test('finds what openat2 finds, and refuses what it refuses', () => {
  const calls = { ...system, targetOf: targetIn(system) };
  fc.assert(
    fc.property(paths, fc.constantFrom('follow', 'refuse'), (path, symlinks) => {
      const [found, expected] = [
        () => resolveInRoot(calls, root, path, O.RDONLY | O.DIRECTORY, symlinks),
        () => system.openInRoot(root, path, O.RDONLY | O.DIRECTORY, symlinks),
      ].map(outcome);
      expect(found).toBe(expected);
    }),
    { numRuns: 2000 },
  );
});
