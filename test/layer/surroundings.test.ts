import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { SPARSE_FORMATS, sparseContent } from '../helpers/sparse-members.js';
import { dir, file, member, pax, symlink, tar } from '../helpers/tar-builder.js';
import { setXattr } from '../helpers/xattrs.js';

const unpack = (box: Sandbox, ...members: readonly Buffer[]) => box.unpack(tar(...members));

describe('what the directory around the destination says has no part in it', () => {
  const members = [
    dir('d', { mode: 0o755 }),
    file('d/f', 'x', { mode: 0o644 }),
    file('implicit/f', 'x', { mode: 0o600 }),
    symlink('l', 'd'),
  ];
  const plain = ['. 0755 0', 'd 0755 0', 'd/f 0644 0', 'implicit 0755 0', 'implicit/f 0600 0', 'l 0777 0'];
  const seen = (box: Sandbox) => [...box.tree()].map(([path, { mode, gid }]) => `${path} ${mode} ${gid}`);

  test('a setgid directory hands down no group', async ({ box }) => {
    chownSync(dirname(box.dest), 0, 1234);
    chmodSync(dirname(box.dest), 0o2755);
    await unpack(box, ...members);
    expect(seen(box)).toEqual(plain);
  });

  test('a setgid destination that was there keeps its own, and hands down none', async ({ box }) => {
    mkdirSync(box.dest);
    chownSync(box.dest, 0, 1234);
    chmodSync(box.dest, 0o2755);
    await unpack(box, ...members);
    expect(seen(box)).toEqual(['. 2755 1234', ...plain.slice(1)]);
  });

  test('a setgid directory of the layer hands its group down to nothing that says another', async ({
    box,
  }) => {
    await unpack(
      box,
      dir('d', { mode: 0o2755, gid: 77 }),
      file('d/f', 'x', { gid: 0 }),
      dir('d/e', { gid: 5 }),
      file('d/i/f'),
    );
    const tree = box.tree();
    expect(['d', 'd/f', 'd/e'].map((path) => tree.get(path)?.gid)).toEqual([77, 0, 5]);
    expect(tree.get('d/e')?.mode).toBe('0755');
  });

  /** user::rwx, group::rwx, other::---, as setfacl --default writes it. */
  const DEFAULT_ACL = Buffer.from(
    '02000000' + '01000700ffffffff' + '04000700ffffffff' + '20000000ffffffff',
    'hex',
  ).toString('latin1');

  test('a default access list changes no mode', async ({ box }) => {
    setXattr(dirname(box.dest), 'system.posix_acl_default', DEFAULT_ACL);
    await unpack(box, ...members);
    expect(seen(box)).toEqual(plain);
    for (const [path, { xattrs }] of box.tree()) expect(xattrs, path).toEqual({});
  });

  test('a default access list of a destination that was there', async ({ box }) => {
    mkdirSync(box.dest);
    setXattr(box.dest, 'system.posix_acl_default', DEFAULT_ACL);
    await unpack(box, ...members);
    expect(seen(box)).toEqual(plain);
  });

  describe('a default access list of a directory that the layer does not list', () => {
    // The list allows others nothing; what is made there would get that, and the list too.
    const below = [
      file('d/f', 'x', { mode: 0o644 }),
      dir('d/e', { mode: 0o751 }),
      file('d/e/f', 'x', { mode: 0o606 }),
    ];
    const modes = (box: Sandbox) => ['d/f', 'd/e', 'd/e/f'].map((path) => box.tree().get(path)?.mode);

    test('and that was there', async ({ box }) => {
      await unpack(box, dir('d'));
      setXattr(join(box.dest, 'd'), 'system.posix_acl_default', DEFAULT_ACL);
      await box.unpack(tar(...below), { existing: 'merge' });
      expect(modes(box)).toEqual(['0644', '0751', '0606']);
    });

    test('and that a lower layer has', async ({ box }) => {
      const xattrs = { 'system.posix_acl_default': Buffer.from(DEFAULT_ACL, 'latin1') };
      const lower = await box.directory('lower', dir('d', { xattrs }));
      await box.unpack(tar(...below), { target: 'overlay', lowers: [lower] });
      expect(modes(box)).toEqual(['0644', '0751', '0606']);
    });
  });

  test('a default access list of the layer is kept, and changes no mode below', async ({ box }) => {
    const xattrs = { 'system.posix_acl_default': Buffer.from(DEFAULT_ACL, 'latin1') };
    await unpack(
      box,
      dir('d', { mode: 0o755, xattrs }),
      file('d/f', 'x', { mode: 0o644 }),
      dir('d/e', { mode: 0o711 }),
    );
    const tree = box.tree();
    expect(tree.get('d')?.xattrs).toEqual({ 'system.posix_acl_default': DEFAULT_ACL });
    expect(tree.get('d/f')).toMatchObject({ mode: '0644', xattrs: {} });
    expect(tree.get('d/e')).toMatchObject({ mode: '0711', xattrs: {} });
  });
});

describe('sparse files', () => {
  const size = 8 << 20;
  const islands = [
    [0, 'begin'],
    [4 << 20, 'middle'],
  ] as const;

  for (const [format, sparse] of Object.entries(SPARSE_FORMATS))
    test(`${format}: holes take no room on the disk`, async ({ box }) => {
      await unpack(box, sparse('holes', size, islands), file('next', 'x'));
      expect(box.read('holes')).toBe(sparseContent(size, islands));
      expect(lstatSync(join(box.dest, 'holes'))).toMatchObject({ size });
      expect(lstatSync(join(box.dest, 'holes')).blocks * 512).toBeLessThan(64 << 10);
      expect(box.read('next')).toBe('x');
    });

  test('a hole of the size of a disk', async ({ box }) => {
    const huge = 2 ** 40;
    await box.unpack(tar(hole('holes', huge)), { limits: { maxBytes: 2 ** 41 } });
    expect(lstatSync(join(box.dest, 'holes'))).toMatchObject({ size: huge, blocks: 0 });
  });
});

/** Nothing but a hole; octal has no room for such a size. */
function hole(name: string, size: number): Buffer {
  const records = { 'GNU.sparse.size': String(size), 'GNU.sparse.numblocks': '0', 'GNU.sparse.map': '' };
  return Buffer.concat([pax(records), member({ name })]);
}
