import { describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import { dir, file, hardlink, symlink, tar } from '../helpers/tar-builder.js';

describe('CVE-2021-32760: metadata of a hard link to a symlink', () => {
  test('mode, owner and times of the target outside stay', async ({ box }) => {
    const attributes = { mode: 0o777, uid: 4, gid: 5, mtime: 1 };
    await box.unpack(tar(symlink('l', `${box.outside}/passwd`), hardlink('sketchy', 'l', attributes)));
    expect(box.tree().get('sketchy')).toMatchObject({ type: 'symlink', linkOf: 'l' });
  });

  test('a hard link changes nothing of the inode', async ({ box }) => {
    const hostile = hardlink('b', 'a', { mode: 0o4777, uid: 1, gid: 1, mtime: 1, xattrs: { 'user.x': 'y' } });
    await box.unpack(tar(file('a', 'x', { mode: 0o600, uid: 7, gid: 8 }), hostile));
    const expected = { mode: '0600', uid: 7, gid: 8, mtime: 1_700_000_000_000_000_000n, xattrs: {} };
    expect(box.tree().get('b')).toMatchObject({ ...expected, linkOf: 'a' });
  });
});

describe('CVE-2026-24842: the path that is checked is the path that is linked', () => {
  // node-tar checked the target relative to the entry's directory, and linked it relative to the root.
  test('a target is relative to the root, not to the entry', async ({ box }) => {
    await box.unpack(tar(dir('a/b'), file('outside/passwd', 'inside'), hardlink('a/b/l', 'outside/passwd')));
    expect(box.tree().get('outside/passwd')?.linkOf).toBe('a/b/l');
  });

  test('a target with dot-dot is clamped at the root', async ({ box }) => {
    const error = await box.failure(tar(dir('a/b'), hardlink('a/b/l', '../outside/passwd')));
    expect(error).toMatchObject({ code: 'NotFound', entry: 'a/b/l' });
  });
});

describe('CVE-2026-26960: a target through a chain of symlinks', () => {
  test('reads nothing from outside', async ({ box }) => {
    const chain = [dir('a'), symlink('a/up', '../..'), symlink('esc', 'a/up/outside')];
    expect(await box.failure(tar(...chain, hardlink('l', 'esc/passwd')))).toMatchObject({ code: 'NotFound' });
  });

  test('writes nothing outside: a file over the link replaces it', async ({ box }) => {
    const chain = [symlink('esc', box.outside), file('esc/passwd', 'inside'), hardlink('l', 'esc/passwd')];
    await box.unpack(tar(...chain, file('l', 'hostile')));
    expect(box.read('l')).toBe('hostile');
    expect(box.read(`${box.outside}/passwd`)).toBe('inside');
  });
});

describe('CVE-2026-29786: drive-relative targets', () => {
  for (const target of ['C:../outside/passwd', 'c:\\outside\\passwd', 'C:/outside/passwd'])
    test(`"${target}" is a name like any other`, async ({ box }) => {
      expect(await box.failure(tar(hardlink('l', target)))).toMatchObject({ code: 'NotFound', entry: 'l' });
    });
});

describe('targets that can not be', () => {
  test('the absolute path of a file outside', async ({ box }) => {
    const error = await box.failure(tar(hardlink('l', `${box.outside}/passwd`)));
    expect(error).toMatchObject({ code: 'NotFound', entry: 'l', offset: 0 });
  });

  test('a directory', async ({ box }) => {
    expect(await box.failure(tar(dir('d'), hardlink('l', 'd')))).toMatchObject({
      code: 'InvalidArgument',
      entry: 'l',
    });
  });

  test('the root', async ({ box }) => {
    expect(await box.failure(tar(hardlink('l', '/')))).toMatchObject({ code: 'InvalidArgument', entry: 'l' });
  });

  test('itself: the link is left as it is', async ({ box }) => {
    await box.unpack(tar(file('f', 'x'), hardlink('f', 'f'), hardlink('./f', '/f')));
    expect(box.read('f')).toBe('x');
  });
});

describe('a hard link to what no entry before it makes', () => {
  for (const [name, later] of Object.entries({
    'that comes later': [file('target', 'x')],
    'that never comes': [],
  }))
    test(name, async ({ box }) => {
      const error = await box.failure(tar(hardlink('link', 'target'), ...later));
      expect(error).toMatchObject({ code: 'NotFound', entry: 'link', offset: 0 });
      expect(error.message).toContain(
        'hard link target "target" does not exist, since no entry before the link makes it',
      );
      expect(error.hint).toMatch(/^write the target before its links/);
    });
});
