import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MountNamespace } from '../../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// An image by umoci, taken in, and run by Debian's crun: from a bundle, and from a mount.

const MAIN = join(import.meta.dirname, '../../../dist/cli/main.cjs');
const work = makeWorkDirectory();
const root = join(work, 'store');
let namespace: MountNamespace;

const overlayer = (...args: string[]) =>
  namespace.run(`${process.execPath} ${MAIN} ${args.join(' ')} --root ${root}`);
const crun = (bundle: string, name: string) =>
  namespace.run(
    `crun --root ${join(work, 'state')} --cgroup-manager=disabled run --bundle ${bundle} overlayer-test-${name} </dev/null`,
  );

beforeAll(async () => {
  const tree = join(work, 'tree');
  mkdirSync(join(tree, 'bin'), { recursive: true });
  mkdirSync(join(tree, 'etc'));
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'));
  for (const name of ['sh', 'id', 'cat']) symlinkSync('busybox', join(tree, 'bin', name));
  writeFileSync(join(tree, 'etc/passwd'), 'root:x:0:0::/:\napp:x:1234:100::/:\n');
  const umoci = (...args: string[]) => execFileSync('umoci', args, { stdio: 'pipe' });
  const image = `${join(work, 'layout')}:app`;
  umoci('init', '--layout', join(work, 'layout'));
  umoci('new', '--image', image);
  umoci('insert', '--image', image, join(tree, 'bin'), '/bin');
  umoci('insert', '--image', image, join(tree, 'etc'), '/etc');
  const words = ['--config.user', 'app', '--config.env', 'HELLO=world', '--config.entrypoint', '/bin/sh'];
  umoci('config', '--image', image, ...words, '--config.cmd', '-c', '--config.cmd', 'id -u; echo $HELLO');
  namespace = await MountNamespace.start('root');
  // crun has no word for a machine that mixes both versions.
  await namespace.run('mount -t cgroup2 none /sys/fs/cgroup');
  await overlayer('import', '--progress none', join(work, 'layout'));
});
afterAll(async () => {
  await namespace.close();
  rmSync(work, { recursive: true });
});

test('from a bundle', async () => {
  const bundle = join(work, 'bundle');
  expect(await overlayer('bundle', 'app', bundle)).toContain('Made a bundle of app');
  expect(await crun(bundle, 'bundle')).toBe('1234\nworld\n');
});

test('from a mount that can be written to', async () => {
  const bundle = join(work, 'mounted');
  await overlayer('bundle', 'app', bundle);
  await namespace.run(`rm -r ${bundle}/rootfs/* && echo`);
  await overlayer('mount', '--rw', 'app', join(bundle, 'rootfs'));
  expect(await crun(bundle, 'mount')).toBe('1234\nworld\n');
  await overlayer('unmount', join(bundle, 'rootfs'));
});

test('a bundle is made whole or not at all', async () => {
  const bundle = join(work, 'taken');
  mkdirSync(bundle);
  writeFileSync(join(bundle, 'config.json'), 'mine');
  await expect(overlayer('bundle', 'app', bundle)).rejects.toThrow();
  expect(readFileSync(join(bundle, 'config.json'), 'utf8')).toBe('mine');
  expect(existsSync(join(bundle, 'rootfs'))).toBe(false);
});
