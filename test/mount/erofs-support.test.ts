import { describe, expect, test } from 'vitest';
import { type Namespace, useNamespace } from '../helpers/namespace-process.js';
import type { MountCalls } from '../helpers/older-kernels.js';

const SUPPORTED = { supported: true, reason: undefined, backing: 'file' };
const NEEDS_ROOT = {
  supported: false,
  reason: 'the backend erofs needs root: the kernel mounts EROFS files for root only',
  backing: 'file',
};

/** Probes, and finds everything as it was. */
async function probe({ inside }: Namespace, directory: string) {
  const { support, before, after } = await inside.run(async ({ fs, load }, directory) => {
    type Module = typeof import('../../src/mount/erofs-support.js');
    const { probeErofs } = await load<Module>('mount/erofs-support.js');
    const look = () => ({
      names: fs.readdirSync(directory),
      mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8'),
      descriptors: fs.readdirSync('/proc/self/fd').length,
    });
    const before = look();
    const support = await probeErofs(directory);
    // Its mounts go a moment later, with their descriptors.
    while (look().descriptors > before.descriptors) await new Promise(setImmediate);
    return { support, before, after: look() };
  }, directory);
  expect(after).toEqual(before);
  return support;
}

describe('root', () => {
  const namespace = useNamespace('root');

  test('files on a disk are mounted themselves', async () => {
    expect(await probe(namespace, namespace.directory('disk'))).toEqual(SUPPORTED);
  });

  test('files on tmpfs need loop devices', async () => {
    expect(await probe(namespace, namespace.directory('fast'))).toEqual({ ...SUPPORTED, backing: 'loop' });
  });

  test('a thread with mounts of its own finds out the same', async () => {
    const found = await namespace.inside.run(async ({ load }, directory) => {
      type Module = typeof import('../../src/mount/erofs-support.js');
      return await (await load<Module>('mount/erofs-support.js')).probeInThread(directory);
    }, namespace.directory('disk'));
    expect(found).toEqual(SUPPORTED);
  });

  /** Probes a kernel that refuses a call. */
  async function probeOld(calls: MountCalls, call: string, errno: string) {
    return await namespace.inside.run(
      async ({ load, kernels, mountWith, overlayer }, directory, calls, call, errno) => {
        type Module = typeof import('../../src/mount/erofs-support.js');
        const { probeMounts } = await load<Module>('mount/erofs-support.js');
        const refuse = (what: unknown) => {
          if (call === 'openFileSystem' && what !== 'erofs') return;
          throw new kernels.SystemError(errno, call, call === 'openLoopDevice' ? '/dev/loop-control' : '');
        };
        const real = kernels.systems[calls];
        const system = {
          ...real,
          [call]: (...args: never[]) => {
            refuse(args[0]);
            return (real[call as 'openFileSystem'] as (...args: never[]) => number)(...args);
          },
        };
        const mounted: string[] = [];
        try {
          return await probeMounts(directory, async (mounts, target) => {
            await mountWith(system, mounts, target);
            mounted.push(target);
            return target;
          });
        } finally {
          for (const target of mounted) await overlayer.unmountAll(target);
        }
      },
      namespace.directory('disk'),
      calls,
      call,
      errno,
    );
  }

  test.each<[string, MountCalls, string, string, RegExp]>([
    [
      'without EROFS',
      'all calls',
      'openFileSystem',
      'ENODEV',
      /the kernel does not have EROFS.*modprobe erofs/,
    ],
    [
      'before Linux 6.4',
      'all calls',
      'createFileSystem',
      'EINVAL',
      /no EROFS with blocks of 512 bytes.*Linux 6\.4/,
    ],
    [
      'before Linux 6.12, without loop devices',
      'loop devices',
      'openLoopDevice',
      'ENOENT',
      /needs a loop device/,
    ],
  ])('a kernel %s', async (_, calls, call, errno, reason) => {
    expect(await probeOld(calls, call, errno)).toMatchObject({
      supported: false,
      reason: expect.stringMatching(reason),
    });
  });

  test.each<MountCalls>(['attached layers', 'no lowerdir+', 'loop devices'])(
    'a kernel with %s works',
    async (calls) => {
      const backing = calls === 'loop devices' ? 'loop' : 'file';
      expect(await probeOld(calls, 'none', '')).toEqual({ ...SUPPORTED, backing });
    },
  );
});

describe.each(['user-namespace', 'none'] as const)('%s', (privileges) => {
  const namespace = useNamespace(privileges);

  test('the reason is that it needs root', async () => {
    expect(await probe(namespace, namespace.directory())).toEqual(NEEDS_ROOT);
  });
});
