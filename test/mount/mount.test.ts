import { describe, expect, test } from 'vitest';
import type { Privileges } from '../helpers/mount-namespace.js';
import { useNamespace } from '../helpers/namespace-process.js';
import type { MountCalls } from '../helpers/older-kernels.js';
import { failureOf } from '../helpers/sandbox.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];
const CALLS: readonly MountCalls[] = ['all calls', 'mount(2)'];

describe.each(USERS)('%s', (privileges) => {
  const namespace = useNamespace(privileges);

  /** Binds a directory with a file, on which a tmpfs is mounted at `sub`, and tries what can be done there. */
  async function bind(calls: MountCalls, options: readonly string[]) {
    return await namespace.inside.run(
      async ({ overlayer, fs, path, load, mount }, calls, root, options) => {
        type MountInfo = typeof import('../../src/system/mountinfo.js');
        const { readMountInfo } = await load<MountInfo>('system/mountinfo.js');
        const [source, target] = [path.join(root, 'source'), path.join(root, 'target')];
        fs.mkdirSync(path.join(source, 'sub'), { recursive: true });
        fs.mkdirSync(target);
        await overlayer.mountAll(
          [{ type: 'tmpfs', source: 'tmpfs', options: ['nosuid'] }],
          path.join(source, 'sub'),
        );
        fs.writeFileSync(path.join(source, 'sub', 'below'), '');
        const attempt = (name: string) => {
          try {
            fs.writeFileSync(path.join(target, name), '');
            return 'written';
          } catch (error) {
            return (error as NodeJS.ErrnoException).code;
          }
        };
        await mount(calls, [{ type: 'bind', source, options }], target);
        const result = {
          below: fs.readdirSync(path.join(target, 'sub')),
          write: attempt('file'),
          writeBelow: attempt('sub/file'),
          flags: readMountInfo().find(({ mountPoint }) => mountPoint === target)!.options,
        };
        await overlayer.unmountAll(target);
        const left = { target: fs.readdirSync(target), source: fs.readdirSync(path.join(source, 'sub')) };
        await overlayer.unmountAll(path.join(source, 'sub'));
        return { ...result, left };
      },
      calls,
      namespace.directory(),
      options,
    );
  }

  describe.each(CALLS)('a bind mount, with %s', (calls) => {
    test('rbind,rw: mounts below are included, and writes reach the source', async () => {
      const seen = await bind(calls, ['rbind', 'rw']);
      expect(seen).toMatchObject({ below: ['below'], write: 'written', writeBelow: 'written' });
      expect(seen.left).toEqual({ target: [], source: ['below', 'file'] });
    });

    test('bind: mounts below are not included', async () => {
      expect(await bind(calls, ['bind'])).toMatchObject({ below: [], write: 'written' });
    });

    test('ro', async () => {
      expect(await bind(calls, ['ro', 'rbind'])).toMatchObject({ write: 'EROFS', writeBelow: 'written' });
    });

    test('the last of two that contradict each other counts', async () => {
      expect(await bind(calls, ['rbind', 'ro', 'rw'])).toMatchObject({ write: 'written' });
      expect(await bind(calls, ['rbind', 'rw', 'ro'])).toMatchObject({ write: 'EROFS' });
    });

    test('flags', async () => {
      // A user namespace may not change how access times are kept.
      const ofTimes = privileges === 'root' ? ['noatime', 'nodiratime'] : [];
      const wanted = ['nosuid', 'nodev', 'noexec', ...ofTimes];
      const { flags } = await bind(calls, ['rbind', ...wanted]);
      expect(flags).toEqual(expect.arrayContaining(wanted));
    });
  });

  test('rro: mounts below are read-only too', async () => {
    const seen = await bind('all calls', ['rbind', 'rro']);
    expect(seen).toMatchObject({ below: ['below'], write: 'EROFS', writeBelow: 'EROFS' });
  });

  test('rro takes a kernel that can do it', async () => {
    const error = await failureOf(bind('mount(2)', ['rbind', 'rro']));
    expect(error).toMatchObject({ code: 'Unimplemented' });
  });

  test.each(CALLS)('a file system with options, with %s', async (calls) => {
    const seen = await namespace.inside.run(
      async ({ overlayer, fs, mount }, calls, root) => {
        await mount(calls, [{ type: 'tmpfs', source: 'name', options: ['nodev', 'size=1m,mode=700'] }], root);
        const { blocks, bsize } = fs.statfsSync(root);
        const mode = fs.statSync(root).mode & 0o777;
        await overlayer.unmountAll(root);
        return { size: blocks * bsize, mode };
      },
      calls,
      namespace.directory(),
    );
    expect(seen).toEqual({ size: 1024 ** 2, mode: 0o700 });
  });

  test('mount(2) takes a page of options', async () => {
    const mounted = namespace.inside.run(({ mount }, root) => {
      const options = Array.from({ length: 600 }, () => 'size=1m');
      return mount('mount(2)', [{ type: 'tmpfs', source: 'tmpfs', options }], root);
    }, namespace.directory());
    expect(await failureOf(mounted)).toMatchObject({ code: 'InvalidArgument' });
  });

  test('several mounts, one at a path of the other that can not lead out of it', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path }, root) => {
      const [first, second, target] = ['first', 'second', 'target'].map((name) => path.join(root, name));
      fs.mkdirSync(path.join(first!, 'real'), { recursive: true });
      fs.symlinkSync('/../real', path.join(first!, 'link'));
      for (const directory of [second!, target!]) fs.mkdirSync(directory);
      fs.writeFileSync(path.join(second!, 'file'), '');
      const options = ['rbind'];
      await overlayer.mountAll(
        [
          { type: 'bind', source: first!, options },
          { type: 'bind', source: second!, target: 'link', options },
        ],
        target!,
      );
      const inReal = fs.readdirSync(path.join(target!, 'real'));
      await overlayer.unmountAll(target!);
      return {
        inReal,
        afterwards: fs.readdirSync(target!),
        source: fs.readdirSync(path.join(first!, 'real')),
      };
    }, namespace.directory());
    expect(seen).toEqual({ inReal: ['file'], afterwards: [], source: [] });
  });

  test('all or none: earlier mounts are unmounted after a failure', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs }, root) => {
      const mount = { type: 'tmpfs', source: 'tmpfs', options: [] };
      const failure = overlayer.mountAll([mount, mount, { ...mount, type: 'no-such-type' }], root);
      const { code } = await failure.catch((error) => error);
      const mounted = fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${root} `);
      return { code, mounted };
    }, namespace.directory());
    expect(seen).toEqual({ code: 'Unimplemented', mounted: false });
  });

  test('a mount on a bind mount of a shared mount does not reach its source', async () => {
    const seen = await namespace.inside.run(async ({ overlayer, fs, path, child }, root) => {
      const [source, target] = [path.join(root, 'source'), path.join(root, 'target')];
      fs.mkdirSync(source);
      fs.mkdirSync(target);
      const tmpfs = { type: 'tmpfs', source: 'tmpfs', options: [] };
      await overlayer.mountAll([tmpfs], source);
      child.execFileSync('mount', ['--make-shared', source]);
      fs.mkdirSync(path.join(source, 'sub'));
      await overlayer.mountAll([{ ...tmpfs, target: 'sub' }], source);
      fs.writeFileSync(path.join(source, 'sub', 'file'), '');
      await overlayer.mountAll([{ type: 'bind', source, options: ['rbind'] }], target);
      await overlayer.mountAll([{ ...tmpfs, target: 'sub' }], target);
      const covered = fs.readdirSync(path.join(target, 'sub'));
      await overlayer.unmountAll(target);
      const atSource = fs.readdirSync(path.join(source, 'sub'));
      await overlayer.unmountAll(source);
      return { covered, atSource };
    }, namespace.directory());
    expect(seen).toEqual({ covered: [], atSource: ['file'] });
  });
});
