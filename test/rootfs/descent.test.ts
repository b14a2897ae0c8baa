import { closeSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Descent } from '../../src/rootfs/trees/descent.js';
import { removeTree } from '../../src/rootfs/trees/remove-tree.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { type System, SystemError } from '../../src/system/system.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

test('a way up that leads elsewhere, since the tree was moved meanwhile, is not taken', () => {
  const root = makeWorkDirectory();
  const names = Array.from({ length: 40 }, (_, level) => `d${level}`);
  mkdirSync(join(root, 'tree', ...names), { recursive: true });
  mkdirSync(join(root, 'elsewhere'));
  const directory = openSync(join(root, 'tree'), 'r');
  try {
    using descent = new Descent(openLinuxSystem(), directory);
    for (const name of names) descent.enter(name);
    renameSync(join(root, 'tree/d0/d1'), join(root, 'elsewhere/d1'));
    let left = 0;
    const goUp = () => {
      for (; left < names.length; left++) descent.leave();
    };
    expect(goUp).toThrow(expect.objectContaining({ errno: 'EAGAIN' }));
    expect(left).toBe(names.length - 2);
  } finally {
    closeSync(directory);
    rmSync(root, { recursive: true });
  }
});

/** For a process that may open no more than so many files. */
function withFewDescriptors(most: number): System {
  const system = openLinuxSystem();
  let open = 0;
  return {
    ...system,
    openAt(...call) {
      if (open === most) throw new SystemError('EMFILE', 'openat', call[1]);
      open += 1;
      return system.openAt(...call);
    },
    close(descriptor) {
      open -= 1;
      system.close(descriptor);
    },
  };
}

test('two descriptors are enough to remove a tree', () => {
  const root = makeWorkDirectory();
  mkdirSync(join(root, 'tree', ...Array<string>(40).fill('d')), { recursive: true });
  for (const level of [1, 5, 20])
    mkdirSync(join(root, 'tree', ...Array<string>(level).fill('d'), 'e/f'), { recursive: true });
  const directory = openSync(root, 'r');
  try {
    removeTree(withFewDescriptors(2), directory, 'tree');
    expect(readdirSync(root)).toEqual([]);
  } finally {
    closeSync(directory);
    rmSync(root, { recursive: true });
  }
});
