import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SnapshotDirectories } from '../../src/snapshot/store/snapshot-directories.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import type { System } from '../../src/system/system.js';
import { type Fault, FaultySystem } from '../helpers/faulty-system.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const real = openLinuxSystem();

let root: string;
beforeEach(() => {
  root = makeWorkDirectory();
});
afterEach(() => rmSync(root, { recursive: true }));

function withDirectories<T>(system: System, use: (directories: SnapshotDirectories) => T): T {
  const directories = new SnapshotDirectories(system, root);
  try {
    return use(directories);
  } finally {
    directories.close();
  }
}

/** The fault comes with the n-th call after the directories are open. */
function faulty({ method, call, errno }: Fault): System {
  const opened = new FaultySystem(real);
  withDirectories(opened.system, () => {});
  return new FaultySystem(real, { method, errno, call: (opened.calls.get(method) ?? 0) + call }).system;
}

test.each([
  ['openAt', 'EMFILE'],
  ['tryLock', 'ENOLCK'],
] as const)('a directory that can not be locked (%s: %s) does not stay', (method, errno) => {
  withDirectories(faulty({ method, errno, call: 1 }), (directories) => {
    expect(() => directories.stage()).toThrow(expect.objectContaining({ errno }));
  });
  expect(readdirSync(root)).toEqual([]);
});

test.each(['EPERM', 'EROFS'])('what can not be renamed (%s) is removed where it is', async (errno) => {
  mkdirSync(join(root, '7/fs'), { recursive: true });
  writeFileSync(join(root, '7/fs/file'), '');
  const directories = new SnapshotDirectories(faulty({ method: 'renameNew', errno, call: 1 }), root);
  await directories.remove('7');
  directories.close();
  expect(readdirSync(root)).toEqual([]);
});
