import { describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import {
  type Attributes,
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  header,
  symlink,
  tar,
} from '../helpers/tar-builder.js';

const owner = { uid: 1234, gid: 4321 };
const time = { pax: { mtime: '1600000000.123456789' } };
const MTIME = 1_600_000_000_123_456_789n;
const xattrs = { 'user.a': 'b', 'trusted.c': Buffer.from([0, 255]) };

describe("as root every attribute is the archive's", () => {
  // Changing the owner clears setuid and capabilities, writing clears them too: only one order is right.
  test('of a file with setuid, capabilities and content', async ({ box }) => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const attributes: Attributes = {
      ...owner,
      ...time,
      mode: 0o6755,
      xattrs: { ...xattrs, 'security.capability': capability },
    };
    await box.unpack(tar(file('f', 'x'.repeat(100_000), attributes), file('empty', '', attributes)));
    const expected = {
      ...owner,
      mode: '6755',
      mtime: MTIME,
      xattrs: { 'security.capability': capability.toString('latin1'), 'trusted.c': '\0\xff', 'user.a': 'b' },
    };
    expect(box.tree().get('f')).toMatchObject(expected);
    expect(box.tree().get('empty')).toMatchObject(expected);
  });

  test('of a directory, whatever comes into it later', async ({ box }) => {
    const directory = dir('d', { ...owner, ...time, mode: 0o3555, xattrs });
    await box.unpack(
      tar(directory, file('d/f', 'x'), dir('d/e', time), file('d/e/f'), symlink('d/e/l', 'f')),
    );
    expect(box.tree().get('d')).toMatchObject({ ...owner, mode: '3555', mtime: MTIME });
    expect(box.tree().get('d')?.xattrs).toEqual({ 'trusted.c': '\0\xff', 'user.a': 'b' });
    expect(box.tree().get('d/e')?.mtime).toBe(MTIME);
  });

  test('of a symlink, a fifo and devices', async ({ box }) => {
    await box.unpack(
      tar(
        symlink('l', 'nowhere', { ...owner, ...time, xattrs: { 'trusted.c': 'd' } }),
        fifo('p', { ...owner, ...time, mode: 0o622 }),
        characterDevice('c', 4095, 1_048_575, { ...owner, mode: 0o4666 }),
        header({ name: 'b', type: '4', devmajor: 8, devminor: 300, mode: 0o660 }),
      ),
    );
    const tree = box.tree();
    expect(tree.get('l')).toMatchObject({
      ...owner,
      mtime: MTIME,
      target: 'nowhere',
      xattrs: { 'trusted.c': 'd' },
    });
    expect(tree.get('p')).toMatchObject({ ...owner, type: 'fifo', mode: '0622', mtime: MTIME });
    expect(tree.get('c')).toMatchObject({
      ...owner,
      type: 'character-device',
      mode: '4666',
      device: '4095:1048575',
    });
    expect(tree.get('b')).toMatchObject({ type: 'block-device', mode: '0660', device: '8:300' });
  });

  test('a device number that the kernel has no room for', async ({ box }) => {
    const error = await box.failure(tar(characterDevice('c', 4096, 0)));
    expect(error).toMatchObject({ code: 'InvalidArgument', entry: 'c' });
  });

  test('of the root without an entry are those of any directory without one', async ({ box }) => {
    await box.unpack(tar(file('f', 'x')));
    expect(box.tree().get('.')).toMatchObject({ mode: '0755', uid: 0, gid: 0, mtime: 0n, xattrs: {} });
  });

  // The list's mask would otherwise take the place of the group's permissions, in files but not in directories.
  test('of files and directories with an access control list: the mode is as the archive has it', async ({
    box,
  }) => {
    const list = '0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff';
    const attributes = { mode: 0o640, xattrs: { 'system.posix_acl_access': Buffer.from(list, 'hex') } };
    await box.unpack(tar(file('f', 'x', attributes), dir('d', attributes), fifo('p', attributes)));
    for (const name of ['f', 'd', 'p']) expect(box.tree().get(name)?.mode, name).toBe('0640');
  });

  test('of a directory that is gone go with it', async ({ box }) => {
    const gone = [dir('a'), dir('a/b', { mtime: 5, mode: 0o700 }), file('a', 'in between')];
    await box.unpack(tar(...gone, dir('a'), file('a/b', 'x', { mtime: 9 })));
    expect(box.tree().get('a/b')).toMatchObject({ type: 'file', mtime: 9_000_000_000n, mode: '0644' });
  });

  test('of a lower directory reached through a symlink stay, and so do those of the symlink', async ({
    box,
  }) => {
    await box.unpack(tar(dir('usr/bin', { mtime: 5 }), symlink('bin', 'usr/bin', { mtime: 6 })));
    await box.merge(file('bin/sh', 'x'));
    expect(box.tree().get('usr/bin')?.mtime).toBe(5_000_000_000n);
    expect(box.tree().get('bin')?.mtime).toBe(6_000_000_000n);
  });

  test('times before 1970', async ({ box }) => {
    await box.unpack(
      tar(file('f', 'x', { pax: { mtime: '-1.5' } }), file('g', 'x', { mtime: { base256: -86400 } })),
    );
    expect(box.tree().get('f')?.mtime).toBe(-1_500_000_000n);
    expect(box.tree().get('g')?.mtime).toBe(-86_400_000_000_000n);
  });

  test('hard links are one file, over what was there, in directories that have no entry', async ({ box }) => {
    await box.unpack(
      tar(file('a', 'x'), file('d/l', 'old'), hardlink('d/l', 'a'), hardlink('e/f/m', './d/../a')),
    );
    for (const path of ['a', 'd/l', 'e/f/m']) expect(box.tree().get(path)?.linkOf).toBe('a');
  });
});
