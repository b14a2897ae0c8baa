import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import type { MountCalls } from '../helpers/older-kernels.js';
import { failureOf } from '../helpers/sandbox.js';
import { smallErofs, smallErofsWithDevice } from '../helpers/small-erofs.js';

const CALLS: readonly MountCalls[] = ['all calls', 'attached layers', 'loop devices', 'no lowerdir+'];
const MAPS = ['uidmap=0:100000:1000', 'gidmap=0:200000:1000'];

const namespace = useNamespace('root');

/** A new directory with layers that each have a file of their own and `of-all`. @returns paths in it */
function makeLayers(
  count: number,
  where: 'fast' | 'disk' = 'disk',
  names = 'layer',
): (name: string) => string {
  const root = namespace.directory(where);
  for (let index = 0; index < count; index++)
    writeFileSync(
      join(root, `${names}-${index}.erofs`),
      smallErofs({ 'of-all': String(index), [`of-${index}`]: '' }),
    );
  return (name) => join(root, name);
}

function parts(at: (name: string) => string, count: number, names = 'layer'): Mount[] {
  return Array.from({ length: count }, (_, index) => ({
    type: 'erofs',
    source: at(`${names}-${index}.erofs`),
    options: ['ro', 'loop'],
  }));
}

/** Mounts in the namespace, looks at the result, unmounts it, and looks for what is left. */
async function mountAndLook(calls: MountCalls, root: string, mounts: readonly Mount[]) {
  return await namespace.inside.run(
    async ({ overlayer, fs, path, load, mount }, calls, root, text) => {
      type MountInfo = typeof import('../../src/system/mountinfo.js');
      const { readMountInfo } = await load<MountInfo>('system/mountinfo.js');
      const at = (name: string) => path.join(root, name);
      const [target, temporary] = [at('target'), at('temporary')];
      for (const name of ['target', 'temporary', 'upper', 'work']) fs.mkdirSync(at(name));
      process.env['TMPDIR'] = temporary; // of its own: others mount meanwhile
      const descriptors = fs.readdirSync('/proc/self/fd').length;
      const before = new Set(readMountInfo().map(({ id }) => id));
      await mount(calls, JSON.parse(text), target);
      const made = readMountInfo().filter(({ id }) => !before.has(id));
      const file = path.join(target, 'of-all');
      const seen = {
        mounts: made.map(({ mountPoint, type }) => `${type} ${path.relative(root, mountPoint)}`),
        files: fs.readdirSync(target).length,
        nearest: fs.readFileSync(file, 'utf8'),
        owner: `${fs.statSync(file).uid}:${fs.statSync(file).gid}`,
        readOnly: made[0]!.options.includes('ro') || made[0]!.superOptions.split(',').includes('ro'),
      };
      if (!seen.readOnly) fs.writeFileSync(path.join(target, 'written'), '');
      await overlayer.unmountAll(target);
      const written = fs.readdirSync(at('upper'));
      const loops = fs.readdirSync('/sys/block').filter((name) => {
        const backing = `/sys/block/${name}/loop/backing_file`;
        return fs.existsSync(backing) && fs.readFileSync(backing, 'utf8').startsWith(root);
      });
      return {
        ...seen,
        written,
        left: {
          files: fs.readdirSync(temporary),
          mounts: readMountInfo().filter(({ id }) => !before.has(id)).length,
          descriptors: fs.readdirSync('/proc/self/fd').length - descriptors,
          loops,
        },
      };
    },
    calls,
    root,
    JSON.stringify(mounts),
  );
}

const LEFT = { files: [], mounts: 0, descriptors: 0, loops: [] };
const SEEN = { nearest: '0', owner: '0:0', left: LEFT };
const ALONE = { mounts: ['erofs target'], files: 2, readOnly: true, written: [], ...SEEN };

function overlay(at: (name: string) => string, count: number, ...options: readonly string[]): Mount[] {
  const lowerdir = count === 1 ? '{{ mount 0 }}' : `{{ overlay 0 ${count - 1} }}`;
  const own = [`workdir=${at('work')}`, `upperdir=${at('upper')}`, `lowerdir=${lowerdir}`, ...options];
  return [...parts(at, count), { type: 'format/mkdir/overlay', source: 'overlay', options: own }];
}

const WRITABLE = { mounts: ['overlay target'], readOnly: false, written: ['written'], ...SEEN };

test.each<MountCalls>(['all calls', 'no lowerdir+'])('500 layers with %s', async (calls) => {
  const at = makeLayers(500);
  expect(await mountAndLook(calls, at(''), overlay(at, 500))).toEqual({ ...WRITABLE, files: 501 });
});

describe.each(CALLS)('with %s', (calls) => {
  test('one layer, read-only', async () => {
    const at = makeLayers(1);
    expect(await mountAndLook(calls, at(''), parts(at, 1))).toEqual(ALONE);
  });

  test.each([1, 3])('%i layers and an upperdir: only the overlay is mounted', async (count) => {
    const at = makeLayers(count);
    expect(await mountAndLook(calls, at(''), overlay(at, count))).toEqual({ ...WRITABLE, files: count + 1 });
  });

  test('a view of several layers, in falling order', async () => {
    const at = makeLayers(3);
    const view = { type: 'format/overlay', source: 'overlay', options: ['lowerdir={{ overlay 2 0 }}'] };
    const seen = await mountAndLook(calls, at(''), [...parts(at, 3), view]);
    expect(seen).toEqual({ ...ALONE, mounts: ['overlay target'], files: 4, nearest: '2' });
  });

  test('a part that is bound', async () => {
    const at = makeLayers(2);
    const bind = { type: 'format/bind', source: '{{ mount 1 }}', options: ['ro', 'rbind'] };
    const seen = await mountAndLook(calls, at(''), [...parts(at, 2), bind]);
    expect(seen).toEqual({ ...ALONE, nearest: '1' });
  });

  test('mapped owners of the layers of an overlay', async () => {
    const at = makeLayers(2);
    const seen = await mountAndLook(calls, at(''), overlay(at, 2, ...MAPS));
    expect(seen).toEqual({ ...WRITABLE, files: 3, owner: '100000:200000' });
  });

  test('mapped owners of one layer', async () => {
    const at = makeLayers(1);
    const [part] = parts(at, 1);
    const mapped = { ...part!, options: ['ro', ...MAPS] };
    expect(await mountAndLook(calls, at(''), [mapped])).toEqual({ ...ALONE, owner: '100000:200000' });
  });
});

test.each(['disk', 'fast'] as const)('a file with its data in another one, on %s', async (where) => {
  const at = makeLayers(0, where);
  const { image, device } = smallErofsWithDevice({ 'of-all': '0', other: 'x' });
  writeFileSync(at('image.erofs'), image);
  writeFileSync(at('with , and :.data'), device);
  const mount = {
    type: 'erofs',
    source: at('image.erofs'),
    options: ['ro', `device=${at('with , and :.data')}`],
  };
  expect(await mountAndLook('all calls', at(''), [mount])).toEqual(ALONE);
});

test('files on a file system that the kernel mounts only through loop devices', async () => {
  const at = makeLayers(2, 'fast');
  expect(await mountAndLook('all calls', at(''), overlay(at, 2))).toMatchObject({ files: 3, left: LEFT });
});

test('paths that are longer than fsconfig(2) takes', async () => {
  const names = 'x'.repeat(240);
  const at = makeLayers(1, 'disk', names);
  expect(await mountAndLook('all calls', at(''), parts(at, 1, names))).toEqual(ALONE);
});

describe('in a user namespace', () => {
  const inNamespace = useNamespace('user-namespace');

  test('the error says that EROFS needs root', async () => {
    const mounted = inNamespace.inside.run(
      ({ overlayer }, root) =>
        overlayer.withMount([{ type: 'erofs', source: '/layer.erofs', options: ['ro'] }], () => root),
      inNamespace.directory(),
    );
    expect(await failureOf(mounted)).toMatchObject({
      code: 'PermissionDenied',
      hint: 'the kernel mounts EROFS files for root only',
    });
  });
});

describe('what fails', () => {
  async function failureOfMount(root: string, mounts: readonly Mount[]) {
    return await failureOf(mountAndLook('all calls', root, mounts));
  }

  test('a file that is missing is named', async () => {
    const at = makeLayers(1);
    const { code, message } = await failureOfMount(at(''), parts(at, 2));
    expect(code).toBe('NotFound');
    expect(message).toContain(`"${at('layer-1.erofs')}": no such file or directory`);
  });

  test('a further file that is missing is named', async () => {
    const at = makeLayers(0);
    writeFileSync(at('image.erofs'), smallErofsWithDevice({ a: '' }).image);
    const mount = { type: 'erofs', source: at('image.erofs'), options: ['ro', `device=${at('missing')}`] };
    const { code, message } = await failureOfMount(at(''), [mount]);
    expect(code).toBe('NotFound');
    expect(message).toContain(`"${at('missing')}": no such file or directory`);
  });

  test.each([
    ['the superblock is not written yet', (image: Buffer) => image.fill(0, 1024, 1028)],
    ['the file is cut short', (image: Buffer) => image.subarray(0, 1000)],
    ['the kernel does not know its form', (image: Buffer) => image.fill(0xff, 1024 + 0x50, 1024 + 0x54)],
  ])('%s', async (_, damage) => {
    const at = makeLayers(2);
    writeFileSync(at('layer-1.erofs'), damage(smallErofs({ a: '' })));
    const { code, message, hint } = await failureOfMount(at(''), overlay(at, 2));
    expect(code).toBe('InvalidArgument');
    expect(message).toContain(
      `Cannot mount erofs as a part of "${at('target')}": "${at('layer-1.erofs')}": it is damaged, or no EROFS file`,
    );
    expect(hint).toContain(`overlayer layer verify ${at('layer-1.erofs')}`);
  });

  test('a checksum that is wrong', async () => {
    const at = makeLayers(1);
    const image = smallErofs({ a: '' });
    image.writeUInt32LE(1, 1024 + 8); // it says that there is a checksum
    writeFileSync(at('layer-0.erofs'), image);
    expect(await failureOfMount(at(''), parts(at, 1))).toMatchObject({
      code: 'DataLoss',
      hint: `overlayer layer verify ${at('layer-0.erofs')}`,
    });
  });

  test('an option that the kernel does not know is named', async () => {
    const at = makeLayers(1);
    const { code, message } = await failureOfMount(at(''), [{ ...parts(at, 1)[0]!, options: ['no-such=1'] }]);
    expect(code).toBe('InvalidArgument');
    expect(message).toContain('"no-such=1": the kernel refuses an option');
    expect(message).toContain("the kernel says: erofs: Unknown parameter 'no-such'");
  });

  test.each<MountCalls>(['all calls', 'loop devices'])(
    'nothing stays mounted or open after a failure at any call, with %s',
    async (calls) => {
      const at = makeLayers(2);
      const left = await namespace.inside.run(
        async ({ fs, path, load, kernels, mountWith }, calls, root, text) => {
          type MountInfo = typeof import('../../src/system/mountinfo.js');
          const { readMountInfo } = await load<MountInfo>('system/mountinfo.js');
          const at = (name: string) => path.join(root, name);
          for (const name of ['target', 'temporary', 'upper', 'work']) fs.mkdirSync(at(name));
          process.env['TMPDIR'] = at('temporary');
          const mounts = JSON.parse(text);
          const state = () => ({
            mounts: readMountInfo().length,
            descriptors: fs.readdirSync('/proc/self/fd').length,
            temporary: fs.readdirSync(at('temporary')),
          });
          const before = JSON.stringify(state());
          const found: string[] = [];
          for (let failing = 1; ; failing++) {
            let count = 0;
            const refuse = (name: string) => {
              throw new kernels.SystemError('EIO', name, '');
            };
            const system = Object.fromEntries(
              Object.entries(kernels.systems[calls]).map(([name, call]) => [
                name,
                (...args: unknown[]) => {
                  const mayNotFail = ['close', 'unmount', 'messages', 'takesDetachedLayers'].includes(name);
                  if (!mayNotFail && ++count === failing) refuse(name);
                  return (call as (...args: unknown[]) => unknown)(...args);
                },
              ]),
            );
            try {
              await mountWith(system as never, mounts, at('target'));
              return { failures: failing - 1, found };
            } catch (error) {
              if (!String(error).includes('EIO')) throw error;
              if (JSON.stringify(state()) !== before) found.push(`${failing}: ${JSON.stringify(state())}`);
            }
          }
        },
        calls,
        at(''),
        JSON.stringify(overlay(at, 2, ...MAPS)),
      );
      expect(left).toEqual({ failures: expect.any(Number), found: [] });
      expect(left.failures).toBeGreaterThan(30);
      await namespace.inside.run(({ overlayer }, target) => overlayer.unmountAll(target), at('target'));
    },
  );
});

test.each(['makeTree', 'attach', 'openFileSystem'])(
  'a process that is killed at its last call of %s leaves no mount',
  async (call) => {
    const at = makeLayers(2);
    const seen = await namespace.inside.run(
      async ({ child, fs, path }, root, text, call, dist) => {
        const target = path.join(root, 'target');
        for (const name of ['target', 'upper', 'work']) fs.mkdirSync(path.join(root, name));
        const program = `
          const [{ openLinuxMountSystem }, { mountOnto }] = await Promise.all(
            ['system/linux-mount.js', 'mount/mount-onto.js'].map((path) => import(${JSON.stringify(dist)} + path)));
          const system = openLinuxMountSystem();
          let count = 0;
          const last = ${JSON.stringify(call)} === 'attach' ? 1 : 3;
          const kill = (...args) => {
            if (++count === last) process.kill(process.pid, 'SIGKILL');
            return system[${JSON.stringify(call)}](...args);
          };
          await mountOnto({ ...system, [${JSON.stringify(call)}]: kill }, ${text}, ${JSON.stringify(target)});
        `;
        const before = fs.readFileSync('/proc/self/mountinfo', 'utf8');
        const { signal } = child.spawnSync(process.execPath, ['--input-type=module', '-e', program], {
          env: { ...process.env, TMPDIR: root },
        });
        return {
          signal,
          mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8') === before ? 'as before' : 'others',
          files: fs.readdirSync(root).sort(),
        };
      },
      at(''),
      JSON.stringify(overlay(at, 2)),
      call,
      new URL('../../dist/', import.meta.url).href,
    );
    expect(seen).toEqual({
      signal: 'SIGKILL',
      mounts: 'as before',
      files: ['layer-0.erofs', 'layer-1.erofs', 'target', 'upper', 'work'],
    });
  },
);
