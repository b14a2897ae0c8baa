import { describe, expect, test } from 'vitest';
import { escapeLayer } from '../../src/mount/overlay-layers.js';
import type { Privileges } from '../helpers/mount-namespace.js';
import { useNamespace } from '../helpers/namespace-process.js';
import type { MountCalls } from '../helpers/older-kernels.js';
import { failureOf } from '../helpers/sandbox.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];
const CALLS: readonly MountCalls[] = ['all calls', 'no lowerdir+', 'mount(2)'];

describe.each(USERS)('%s', (privileges) => {
  const userxattr = privileges === 'root' ? [] : ['userxattr'];
  const namespace = useNamespace(privileges);

  /** Makes these directories, each with a file of its own name and one that all have, and mounts them. */
  async function mountLayers(
    calls: MountCalls,
    names: { readonly lowers: readonly string[]; readonly upper?: string; readonly work?: string },
  ) {
    const root = namespace.directory();
    const at = (name: string) => escapeLayer(`${root}/${name}`);
    const options = [`lowerdir=${names.lowers.map(at).join(':')}`, ...userxattr];
    if (names.upper !== undefined) options.push(`upperdir=${at(names.upper)}`);
    if (names.work !== undefined) options.push(`workdir=${at(names.work)}`);
    const { upper = 'upper', work = 'work' } = names;
    return await namespace.inside.run(
      async ({ overlayer, fs, path, mount }, calls, root, lowers, upper, work, options) => {
        const merged = path.join(root, 'merged');
        // Of its own: others mount meanwhile.
        const temporary = path.join(root, 'temporary');
        fs.mkdirSync(temporary);
        process.env['TMPDIR'] = temporary;
        for (const name of [...lowers, upper, work, 'merged'])
          fs.mkdirSync(path.join(root, name), { recursive: true });
        for (const [index, name] of lowers.entries()) {
          fs.writeFileSync(path.join(root, name, `of-${index}`), '');
          fs.writeFileSync(path.join(root, name, 'of-all'), String(index));
        }
        const before = process.cwd();
        const descriptors = fs.readdirSync('/proc/self/fd').length;
        await mount(calls, [{ type: 'overlay', source: 'overlay', options }], merged);
        const files = fs.readdirSync(merged).length;
        const nearest = fs.readFileSync(path.join(merged, 'of-all'), 'utf8');
        if (options.length > 2) fs.writeFileSync(path.join(merged, 'written'), '');
        await overlayer.unmountAll(merged);
        return {
          files,
          nearest,
          written: fs.readdirSync(path.join(root, upper)),
          afterwards: fs.readdirSync(merged),
          moved: process.cwd() !== before,
          left: fs.readdirSync(temporary),
          descriptors: fs.readdirSync('/proc/self/fd').length - descriptors,
        };
      },
      calls,
      root,
      names.lowers,
      upper,
      work,
      options,
    );
  }

  const clean = { afterwards: [], moved: false, left: [], descriptors: 0 };

  describe.each(CALLS)('with %s', (calls) => {
    test('layers are stacked, the first on top, and writes go to the upperdir', async () => {
      const seen = await mountLayers(calls, { lowers: ['a', 'b'], upper: 'upper', work: 'work' });
      expect(seen).toEqual({ files: 3, nearest: '0', written: ['written'], ...clean });
    });

    test.each([128, 500])('%i layers', async (count) => {
      const lowers = Array.from({ length: count }, (_, index) => `snapshots-of-a-layer-store/${index}/fs`);
      const seen = await mountLayers(calls, { lowers, upper: 'upper', work: 'work' });
      expect(seen).toEqual({ files: count + 1, nearest: '0', written: ['written'], ...clean });
    });

    test('paths with the characters that separate', async () => {
      const odd = ['a,b', 'a:b', 'a\\b', '\\', ',:', ' ', 'ä', '"', '::'];
      const seen = await mountLayers(calls, { lowers: odd, upper: 'up,p\\er:', work: 'w\\,o:rk' });
      expect(seen).toEqual({ files: odd.length + 1, nearest: '0', written: ['written'], ...clean });
    });

    test('paths longer than the kernel takes a parameter', async () => {
      const long = (name: string) => `${name}/${'d'.repeat(200)}/${'e,'.repeat(100)}`;
      const seen = await mountLayers(calls, {
        lowers: [long('a'), long('b')],
        upper: long('rw'),
        work: `${long('rw')}-work`,
      });
      expect(seen).toEqual({ files: 3, nearest: '0', written: ['written'], ...clean });
    });

    test('read-only without an upperdir', async () => {
      const seen = await mountLayers(calls, { lowers: ['a', 'b'] });
      expect(seen).toEqual({ files: 3, nearest: '0', written: [], ...clean });
    });

    test('501 layers are more than the kernel takes', async () => {
      const lowers = Array.from({ length: 501 }, (_, index) => `${index}`);
      const error = await failureOf(mountLayers(calls, { lowers }));
      expect(error).toMatchObject({ code: 'InvalidArgument', hint: 'overlayfs takes 500 at most' });
    });
  });
});
