import { describe, expect, test } from 'vitest';
import { useNamespace } from '../helpers/namespace-process.js';
import type { MountCalls } from '../helpers/older-kernels.js';
import { failureOf } from '../helpers/sandbox.js';

const MAPS = ['uidmap=0:100000:1000,1000:5:1', 'gidmap=0:200000:1000,1000:6:1'];

describe('as root', () => {
  const namespace = useNamespace('root');

  /** Who owns a file of 0:0, one of 1000:1000 and a new one, seen through a mount and at its source. */
  async function owners(type: 'bind' | 'overlay', options: readonly string[], layers = 2) {
    return await namespace.inside.run(
      async ({ overlayer, fs, path }, root, type, options, layers) => {
        const at = (...names: string[]) => path.join(root, ...names);
        // Of its own: others mount meanwhile.
        const temporary = at('temporary');
        fs.mkdirSync(temporary);
        process.env['TMPDIR'] = temporary;
        const lowers = Array.from({ length: layers }, (_, index) => at(`lower-${index}`));
        for (const directory of [...lowers, at('upper'), at('work'), at('merged')]) fs.mkdirSync(directory);
        for (const uid of [0, 1000]) {
          fs.writeFileSync(path.join(lowers.at(-1)!, `of-${uid}`), '');
          fs.chownSync(path.join(lowers.at(-1)!, `of-${uid}`), uid, uid);
        }
        const own = {
          bind: [],
          overlay: [`lowerdir=${lowers.join(':')}`, `upperdir=${at('upper')}`, `workdir=${at('work')}`],
        };
        const descriptors = fs.readdirSync('/proc/self/fd').length;
        const mount = { type, source: lowers.at(-1)!, options: [...own[type], ...options] };
        await overlayer.mountAll([mount], at('merged'));
        const ownersOf = (directory: string) =>
          fs
            .readdirSync(directory)
            .map((name) => fs.statSync(path.join(directory, name)))
            .map(({ uid, gid }) => `${uid}:${gid}`);
        const seen = ownersOf(at('merged'));
        await overlayer.unmountAll(at('merged'));
        const children = fs
          .readdirSync('/proc/self/task')
          .map((id) => fs.readFileSync(`/proc/self/task/${id}/children`, 'utf8'));
        return {
          seen,
          left: fs.readdirSync(temporary),
          mounts: fs.readFileSync('/proc/self/mountinfo', 'utf8').includes('overlayer-idmapped-'),
          descriptors: fs.readdirSync('/proc/self/fd').length - descriptors,
          children: children.join(''),
        };
      },
      namespace.directory(),
      type,
      options,
      layers,
    );
  }

  const clean = { left: [], mounts: false, descriptors: 0, children: '' };

  test('a bind mount', async () => {
    const seen = await owners('bind', ['rbind', ...MAPS]);
    expect(seen).toEqual({ seen: ['100000:200000', '5:6'], ...clean });
  });

  test('an overlay, by its layers', async () => {
    expect(await owners('overlay', MAPS)).toEqual({ seen: ['100000:200000', '5:6'], ...clean });
  });

  test('an overlay of 500 layers', async () => {
    expect(await owners('overlay', MAPS, 500)).toEqual({ seen: ['100000:200000', '5:6'], ...clean });
  });

  test.each<MountCalls>(['all calls', 'no lowerdir+'])('an overlay with %s', async (calls) => {
    const seen = await namespace.inside.run(
      async ({ overlayer, fs, path, mount }, calls, root, maps) => {
        const at = (name: string) => path.join(root, name);
        for (const name of ['a', 'b', 'merged']) fs.mkdirSync(at(name));
        fs.writeFileSync(path.join(at('b'), 'file'), '');
        const options = [`lowerdir=${at('a')}:${at('b')}`, ...maps];
        await mount(calls, [{ type: 'overlay', source: 'overlay', options }], at('merged'));
        const { uid, gid } = fs.statSync(path.join(at('merged'), 'file'));
        await overlayer.unmountAll(at('merged'));
        return { uid, gid };
      },
      calls,
      namespace.directory(),
      MAPS,
    );
    expect(seen).toEqual({ uid: 100000, gid: 200000 });
  });

  test('it takes a kernel that can do it', async () => {
    const mounted = namespace.inside.run(
      ({ mount }, root, options) => mount('mount(2)', [{ type: 'bind', source: root, options }], root),
      namespace.directory(),
      ['rbind', ...MAPS],
    );
    expect(await failureOf(mounted)).toMatchObject({ code: 'Unimplemented' });
  });

  test('ranges that overlap are refused by the kernel', async () => {
    const overlapping = ['uidmap=0:1:10,5:100:10', 'gidmap=0:1:10'];
    const error = await failureOf(owners('bind', ['rbind', ...overlapping]));
    expect(error.code).toBe('InvalidArgument');
  });
});

describe('in a user namespace', () => {
  const namespace = useNamespace('user-namespace');

  test('what belongs to the host is not mapped', async () => {
    const bound = namespace.inside.run(
      ({ overlayer }, root, options) => overlayer.mountAll([{ type: 'bind', source: root, options }], root),
      namespace.directory(),
      ['rbind', 'uidmap=0:0:1', 'gidmap=0:0:1'],
    );
    expect(await failureOf(bound)).toMatchObject({ code: 'PermissionDenied' });
  });
});
