import { describe, expect, test } from 'vitest';
import type { Privileges } from '../helpers/mount-namespace.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];

describe.each(USERS)('unmountAll, %s', (privileges) => {
  const namespace = useNamespace(privileges);

  test('all stacked mounts, and the mounts below each', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: [] };
      fs.writeFileSync(path.join(root, 'ground'), '');
      for (let layer = 0; layer < 3; layer++) {
        await overlayer.mountAll([tmpfs], root);
        fs.mkdirSync(path.join(root, 'sub'));
        await overlayer.mountAll([tmpfs, tmpfs], path.join(root, 'sub'));
      }
      await overlayer.unmountAll(root);
      return fs.readdirSync(root);
    }, namespace.directory());
    expect(seen).toEqual(['ground']);
  });

  test('a symlink to the mount point is resolved', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const [target, link] = [path.join(root, 'a b\\c'), path.join(root, 'link')];
      fs.mkdirSync(target);
      fs.symlinkSync(target, link);
      await overlayer.mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], link);
      fs.writeFileSync(path.join(target, 'file'), '');
      await overlayer.unmountAll(link);
      return fs.readdirSync(target);
    }, namespace.directory());
    expect(seen).toEqual([]);
  });

  test('nothing happens where nothing is mounted, or nothing is at all', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: [] };
      fs.mkdirSync(path.join(root, 'sub'));
      await overlayer.mountAll([tmpfs], path.join(root, 'sub'));
      fs.writeFileSync(path.join(root, 'sub', 'file'), '');
      await overlayer.unmountAll(root);
      await overlayer.unmountAll(path.join(root, 'missing'));
      const still = fs.readdirSync(path.join(root, 'sub'));
      await overlayer.unmountAll(path.join(root, 'sub'));
      return still;
    }, namespace.directory());
    expect(seen).toEqual(['file']);
  });

  test('it waits for a file that is being closed', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      await overlayer.mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], root);
      const file = fs.openSync(path.join(root, 'file'), 'w');
      const unmounted = overlayer.unmountAll(root);
      setImmediate(() => fs.closeSync(file));
      await unmounted;
      return fs.readdirSync(root);
    }, namespace.directory());
    expect(seen).toEqual([]);
  });

  test('a file that stays open: it is an error, and the mount stays', async () => {
    const root = namespace.directory();
    await namespace.inside.run(async ({ overlayer, fs }, root) => {
      await overlayer.mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], root);
      Object.assign(globalThis, { file: fs.openSync(`${root}/file`, 'w') });
    }, root);
    const error = await failureOf(
      namespace.inside.run(({ overlayer }, root) => overlayer.unmountAll(root), root),
    );
    expect(error).toMatchObject({ code: 'FailedPrecondition', hint: expect.stringContaining('fuser') });
    const seen = await namespace.inside.run(async ({ overlayer, fs }, root) => {
      const mounted = fs.readdirSync(root);
      fs.closeSync((globalThis as unknown as { file: number }).file);
      await overlayer.unmountAll(root);
      return mounted;
    }, root);
    expect(seen).toEqual(['file']);
  });

  test('never the root of the file system', async () => {
    const error = await failureOf(namespace.inside.run(({ overlayer }) => overlayer.unmountAll('/')));
    expect(error.code).toBe('PermissionDenied');
  });

  test('mounts of the host below a bind mount are unmounted with it, and stay on the host', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs }, root) => {
      // In a user namespace these can't be unmounted one by one.
      const mounts = () => fs.readFileSync('/proc/self/mountinfo', 'utf8').split('\n').length;
      const before = mounts();
      await overlayer.mountAll([{ type: 'bind', source: '/dev', options: ['rbind'] }], root);
      const during = mounts();
      await overlayer.unmountAll(root);
      return { more: during - before > 1, after: mounts() - before };
    }, namespace.directory());
    expect(seen).toEqual({ more: true, after: 0 });
  });
});
