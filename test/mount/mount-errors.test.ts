import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Mount } from '../../src/index.js';
import { parseMountOptions } from '../../src/mount/mount-options.js';
import type { Privileges } from '../helpers/mount-namespace.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { failureOf } from '../helpers/sandbox.js';

const USERS: readonly Privileges[] = ['root', 'user-namespace'];

describe.each(USERS)('%s', (privileges) => {
  const namespace = useNamespace(privileges);

  /** `ROOT` in a mount stands for a directory with `lower` and `other`. */
  async function failureOfMount(mount: Omit<Mount, 'source'> & { source?: string }, target = 'ROOT') {
    return await failureOf(
      namespace.inside.run(
        async ({ overlayer, fs, path }, root, text, target) => {
          for (const name of ['lower', 'other', 'upper'])
            fs.mkdirSync(path.join(root, name), { recursive: true });
          fs.writeFileSync(path.join(root, 'file'), '');
          const descriptors = fs.readdirSync('/proc/self/fd').length;
          try {
            await overlayer.mountAll(
              [JSON.parse(text.replaceAll('ROOT', root))],
              target.replace('ROOT', root),
            );
          } finally {
            const left = fs.readdirSync('/proc/self/fd').length - descriptors;
            // biome-ignore lint/correctness/noUnsafeFinally: a leak is what the test has to tell
            if (left !== 0) throw new Error(`${left} descriptors stay open`);
          }
        },
        namespace.directory(),
        JSON.stringify({ source: mount.type, ...mount }),
        target,
      ),
    );
  }

  test('a layer that is missing is named', async () => {
    const options = ['lowerdir=ROOT/lower:ROOT/missing'];
    const { code, message } = await failureOfMount({ type: 'overlay', options });
    expect(code).toBe('NotFound');
    const named = /^OverlayerError: Cannot mount overlay on ".*": "lowerdir\+=.*\/missing": no such file/;
    expect(message).toMatch(named);
  });

  test('the kernel says which option it does not know', async () => {
    const options = ['lowerdir=ROOT/lower:ROOT/other', 'no-such-option=1'];
    const { code, message } = await failureOfMount({ type: 'overlay', options });
    expect(code).toBe('InvalidArgument');
    expect(message).toContain("; the kernel says: overlay: Unknown parameter 'no-such-option'");
  });

  test('a value that a file system does not take', async () => {
    const { code, message } = await failureOfMount({ type: 'tmpfs', options: ['size=much'] });
    expect(code).toBe('InvalidArgument');
    expect(message).toContain("Bad value for 'size'");
  });

  test('the message has what overlayfs wrote to the kernel log, if the process may read it', async () => {
    const options = ['lowerdir=ROOT/lower', 'upperdir=ROOT/upper'];
    const { code, message, hint } = await failureOfMount({ type: 'overlay', options });
    expect(code).toBe('InvalidArgument');
    if (privileges === 'root' && existsSync('/dev/kmsg'))
      expect(message).toContain("overlayfs: missing 'workdir'");
    else expect(hint).toContain('dmesg');
  });

  test('a source that is missing', async () => {
    const { code, message } = await failureOfMount({
      type: 'bind',
      source: 'ROOT/missing',
      options: ['rbind'],
    });
    expect(code).toBe('NotFound');
    expect(message).toMatch(
      /Cannot mount bind on ".*": ".*\/missing": no such file or directory \(open_tree: /,
    );
  });

  test('a target that is missing, or not of the same kind', async () => {
    const mount = { type: 'tmpfs', options: [] };
    expect(await failureOfMount(mount, 'ROOT/missing')).toMatchObject({ code: 'NotFound' });
    expect(await failureOfMount({ ...mount, target: 'missing' })).toMatchObject({ code: 'NotFound' });
    expect(await failureOfMount(mount, 'ROOT/file')).toMatchObject({ code: 'InvalidArgument' });
  });

  test('a file system that the kernel does not have', async () => {
    const { code, hint } = await failureOfMount({ type: 'no-such-type', options: [] });
    expect(code).toBe('Unimplemented');
    expect(hint).toContain('modprobe');
  });
});

describe('without privileges', () => {
  const namespace = useNamespace('none');

  test.each([
    ['bind', '/usr', 'rbind'],
    ['tmpfs', 'tmpfs', 'ro'],
    ['overlay', 'overlay', 'lowerdir=/usr:/etc'],
  ])('nothing is mounted: %s', async (type, source, option) => {
    const mounted = namespace.inside.run(
      ({ overlayer }, ...[root, type, source, option]) =>
        overlayer.mountAll([{ type, source, options: [option] }], root),
      namespace.directory(),
      type,
      source,
      option,
    );
    const error = await failureOf(mounted);
    expect(error).toMatchObject({
      code: 'PermissionDenied',
      hint: expect.stringContaining('unshare --user'),
    });
  });
});

describe('options', () => {
  test.each(['remount', 'X-containerd.dmverity=/layer.erofs.dmverity', 'X-containerd.mkfs.fs=ext4'])(
    '%s is for others to do',
    (option) => {
      expect(() => parseMountOptions('erofs', ['ro', option])).toThrow(
        expect.objectContaining({ code: 'Unimplemented' }),
      );
    },
  );

  test.each([
    ['uidmap=0:0:1'],
    ['gidmap=0:0:1'],
    ['uidmap=0:0', 'gidmap=0:0:1'],
    ['uidmap=', 'gidmap=a:b:c'],
  ])('%s is no map', (...options) => {
    expect(() => parseMountOptions('bind', options)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    );
  });

  test('unknown options go to the filesystem', () => {
    const { data, flags } = parseMountOptions('overlay', [
      'defaults',
      'a=b\\,c,d',
      'ro',
      'toString',
      'e=f=g',
    ]);
    expect(data).toEqual(['a=b\\,c', 'd', 'toString', 'e=f=g']);
    expect([...flags]).toEqual(['ro']);
  });
});
