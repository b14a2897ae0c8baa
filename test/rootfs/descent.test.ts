import { closeSync, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Descent } from '../../src/rootfs/descent.js';
import { openLinuxSystem } from '../../src/system/linux.js';
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
