import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { takeBack } from '../../src/rootfs/trees/remove-tree.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O, type System, SystemError } from '../../src/system/system.js';
import { applyLayer } from '../helpers/apply-layer.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const real = openLinuxSystem();
const FILES = ['a', 'd/b', 'd/stuck', 'd/e/c', 'f/g'];

function plant(path: string): void {
  for (const name of FILES) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), name);
  }
}

/** Takes back what is below a directory, or all in it. */
function takeBackWith(system: System, root: string, name: string | undefined): string | undefined {
  const descriptor = real.openAt(AT_FDCWD, root, O.RDONLY | O.DIRECTORY, 0);
  try {
    return takeBack(system, descriptor, name, join(root, name ?? '*'));
  } finally {
    real.close(descriptor);
  }
}

/** Does not let go of one file. */
const stuck: System = {
  ...real,
  unlink(directory, name) {
    if (name === 'stuck') throw new SystemError('EPERM', 'unlinkat', name);
    real.unlink(directory, name);
  },
};

describe('nothing is left when the first try fails', () => {
  for (const method of ['openAt', 'unlink', 'removeDirectory', 'list', 'stat'] as const)
    for (const errno of ['EMFILE', 'EPERM', 'EIO'])
      for (const name of ['tree', undefined])
        test(`${method}: ${errno}${name === undefined ? ', of what is in a directory' : ''}`, () =>
          inWorkDirectory(async (at) => {
            const root = at('root');
            plant(join(root, 'tree'));
            const faulty = new FaultySystem(real, { method, call: 2, errno });
            expect(takeBackWith(faulty.system, root, name)).toBeUndefined();
            expect(readdirSync(root)).toEqual([]);
          }));
});

test('what can not be removed is told with its path and the refusal', () =>
  inWorkDirectory(async (at) => {
    const root = at('root');
    plant(join(root, 'tree'));
    const stays = takeBackWith(stuck, root, 'tree');
    expect(stays).toContain(join(root, 'tree'));
    expect(stays).toContain('unlinkat "stuck": EPERM');
  }));

test('the error of an unpack is what went wrong first, and its hint says what stays', () =>
  inWorkDirectory(async (at) => {
    const root = at('root');
    mkdirSync(root);
    const layer = tar(dir('d'), file('d/stuck', 'x'), Buffer.alloc(512, 'not a header'));
    const unpack = () => applyLayer(stuck, join(root, 'dest'), { layer });
    expect(unpack).toThrow(expect.objectContaining({ code: 'InvalidArgument', offset: 1536 }));
    const [staging] = readdirSync(root);
    expect(unpack).toThrow(expect.objectContaining({ hint: expect.stringContaining('EPERM') }));
    expect(staging).toMatch(/^\.dest\.overlayer-/);
    expect(existsSync(join(root, 'dest'))).toBe(false);
  }));
