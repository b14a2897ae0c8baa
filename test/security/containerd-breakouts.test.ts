import { rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, hardlink, symlink, tar } from '../helpers/tar-builder.js';

// containerd's TestBreakouts, by their names there: pkg/archive/tar_test.go.

const passwd = [dir('etc', { mode: 0o770 }), file('/etc/passwd', 'inside')];

/** The two names, taken as they stand, are one inode. */
function expectSameFile(box: Sandbox, first: string, second: string): void {
  const [one, other] = [statSync(join(box.dest, first)), statSync(join(box.dest, second))];
  expect(`${first} is ${one.ino}`).toBe(`${first} is ${other.ino}`);
}

describe('a symlink as parent is resolved inside the root', () => {
  const unbroken = file('/localetc/unbroken', 'unbroken');
  const dummy = [dir('etc'), dir('dummy')];

  test('SymlinkAbsolute', async ({ box }) => {
    await box.unpack(tar(dir('etc'), symlink('localetc', '/etc'), unbroken));
    expect(box.read('etc/unbroken')).toBe('unbroken');
    expect(box.tree().get('localetc')?.target).toBe('/etc');
  });

  test('SymlinkUpAndOut', async ({ box }) => {
    await box.unpack(tar(...dummy, symlink('localetc', '/dummy/../etc'), unbroken));
    expect(box.read('etc/unbroken')).toBe('unbroken');
    expect(box.tree().get('localetc')?.target).toBe('/dummy/../etc');
  });

  test('SymlinkMultipleAbsolute', async ({ box }) => {
    await box.unpack(
      tar(...dummy, symlink('/dummy/etc', '/etc'), symlink('localetc', '/dummy/etc'), unbroken),
    );
    expect(box.read('etc/unbroken')).toBe('unbroken');
  });

  test('SymlinkMultipleRelative', async ({ box }) => {
    await box.unpack(
      tar(...dummy, symlink('/dummy/etc', '/etc'), symlink('localetc', './dummy/etc'), unbroken),
    );
    expect(box.read('etc/unbroken')).toBe('unbroken');
    expect(box.tree().get('localetc')?.target).toBe('./dummy/etc');
  });

  test('SymlinkEmptyFile', async ({ box }) => {
    const emptied = file('/localetc/emptied');
    await box.unpack(tar(dir('etc'), file('etc/emptied', 'notempty'), symlink('localetc', '/etc'), emptied));
    expect(box.read('etc/emptied')).toBe('');
  });

  test('SymlinkParentRelative', async ({ box }) => {
    const link = hardlink('/localetc/localpasswd', '/etc/passwd');
    await box.unpack(tar(...passwd, symlink('localetc/sub/..', '/etc/'), link));
    expect(box.tree().get('localetc')?.target).toBe('/etc/');
    expectSameFile(box, 'etc/localpasswd', 'etc/passwd');
  });

  test('SymlinkOverridePath', async ({ box }) => {
    await box.unpack(
      tar(dir('path'), symlink('path', '/'), dir('path'), file(`path${box.outside}/passwd`, 'x')),
    );
    expect(box.tree().get('path')?.type).toBe('directory');
    expect(box.read(`path${box.outside}/passwd`)).toBe('x');
  });
});

describe('a symlink that would be the root itself', () => {
  // containerd passes over these two; here the type of the root is not for a layer to change.
  test('SymlinkParentDirectory', async ({ box }) => {
    const error = await box.failure(
      tar(...passwd, symlink('..', '/etc/'), hardlink('localpasswd', '/etc/passwd')),
    );
    expect(error).toMatchObject({ code: 'InvalidArgument', entry: '..' });
  });

  test('SymlinkEmptyFilename', async ({ box }) => {
    const error = await box.failure(
      tar(...passwd, symlink('', '/etc/'), hardlink('localpasswd', '/etc/passwd')),
    );
    expect(error.code).toBe('InvalidArgument');
  });
});

describe('the target of a hard link is resolved inside the root', () => {
  const mypasswd = hardlink('breakouts/mypasswd', '/breakouts/d1/passwd');
  const throughLocalEtc = hardlink('localpasswd', '/localetc/passwd');

  test('HardlinkRelative', async ({ box }) => {
    await box.unpack(tar(...passwd, dir('breakouts'), symlink('breakouts/d1', '../../etc'), mypasswd));
    expectSameFile(box, 'breakouts/mypasswd', 'etc/passwd');
  });

  test('HardlinkDownAndOut', async ({ box }) => {
    const out = symlink('breakouts/d1', '../downandout/../../etc');
    await box.unpack(tar(...passwd, dir('breakouts'), dir('downandout'), out, mypasswd));
    expectSameFile(box, 'breakouts/mypasswd', 'etc/passwd');
  });

  test('HardlinkAbsolute', async ({ box }) => {
    await box.unpack(tar(...passwd, symlink('localetc', '/etc'), throughLocalEtc));
    expectSameFile(box, 'localpasswd', 'etc/passwd');
  });

  test('HardlinkRelativeLong', async ({ box }) => {
    await box.unpack(tar(...passwd, symlink('localetc', '../../../../../../../etc'), throughLocalEtc));
    expectSameFile(box, 'localpasswd', 'etc/passwd');
  });

  test('HardlinkRelativeUpAndOut', async ({ box }) => {
    // containerd takes `upandout/..` away as text; here, as in the kernel, it has to be there.
    const out = symlink('localetc', 'upandout/../../../etc');
    expect(await box.failure(tar(...passwd, out, throughLocalEtc))).toMatchObject({ code: 'NotFound' });
    await box.unpack(tar(...passwd, dir('upandout'), out, throughLocalEtc));
    expectSameFile(box, 'localpasswd', 'etc/passwd');
  });

  test('HardlinkDirectRelative', async ({ box }) => {
    await box.unpack(tar(...passwd, hardlink('localpasswd', '../../../../../etc/passwd')));
    expectSameFile(box, 'localpasswd', 'etc/passwd');
  });

  test('HardlinkDirectAbsolute', async ({ box }) => {
    await box.unpack(tar(...passwd, hardlink('localpasswd', '/etc/passwd')));
    expectSameFile(box, 'localpasswd', 'etc/passwd');
  });

  test('SymlinkSlashEnded', async ({ box }) => {
    await box.unpack(tar(...passwd, dir('localetc/'), hardlink('/localetc/localpasswd', '/etc/passwd')));
    expectSameFile(box, 'localetc/localpasswd', 'etc/passwd');
  });
});

describe('an entry over one of another type replaces it', () => {
  const link = hardlink('/localetc/localpasswd', '/etc/passwd');

  test('SymlinkOverrideDirectory', async ({ box }) => {
    await box.unpack(tar(...passwd, dir('localetc')));
    await box.merge(symlink('localetc', '/etc'), link);
    expect(box.tree().get('localetc')?.type).toBe('symlink');
    expectSameFile(box, 'etc/localpasswd', 'etc/passwd');
  });

  test('SymlinkOverrideDirectoryRelative', async ({ box }) => {
    await box.unpack(tar(...passwd, dir('localetc')));
    await box.merge(symlink('localetc', '../../etc'), link);
    expectSameFile(box, 'etc/localpasswd', 'etc/passwd');
  });

  test('DirectoryOverrideSymlink', async ({ box }) => {
    await box.unpack(tar(...passwd, symlink('localetc', '/etc')));
    await box.merge(dir('/localetc/'), link);
    expect(box.tree().get('localetc')?.type).toBe('directory');
    expect(box.tree().has('etc/localpasswd')).toBe(false);
    expectSameFile(box, 'localetc/localpasswd', 'etc/passwd');
  });

  test('DirectoryOverrideSymlinkAndHardlink', async ({ box }) => {
    await box.unpack(tar(...passwd, symlink('localetc', 'etc'), link));
    await box.merge(dir('/localetc/'), file('/localetc/localpasswd', 'different'));
    expect(box.read('etc/passwd')).toBe('inside');
    expect(box.read('etc/localpasswd')).toBe('inside');
    expect(box.read('localetc/localpasswd')).toBe('different');
  });
});

describe('whiteouts', () => {
  const lower = [...passwd, file('etc/whitedout', 'ahhhh whiteout'), symlink('localetc', '/etc')];

  for (const [name, whiteout] of [
    ['WhiteoutRootParent', '.wh...'],
    ['WhiteoutParent', 'etc/.wh...'],
    ['WhiteoutRoot', '.wh..'],
    ['WhiteoutCurrentDirectory', 'etc/.wh..'],
  ] as const)
    test(name, async ({ box }) => {
      await box.unpack(tar(...lower));
      const before = box.tree();
      const error = await box.failure(tar(file(whiteout)), { existing: 'merge' });
      expect(error).toMatchObject({ code: 'InvalidArgument', entry: whiteout, offset: 0 });
      expect(box.tree()).toEqual(before);
    });

  test('WhiteoutSymlink', async ({ box }) => {
    await box.unpack(tar(...lower));
    await box.merge(file('.wh.localetc'));
    expect([...box.tree().keys()]).toEqual(['.', 'etc', 'etc/passwd', 'etc/whitedout']);
  });

  test('WhiteoutSymlinkPath', async ({ box }) => {
    await box.unpack(tar(...lower));
    await box.merge(file('localetc/.wh.whitedout'));
    expect([...box.tree().keys()]).toEqual(['.', 'etc', 'etc/passwd', 'localetc']);
  });

  test('WhiteoutDirectoryName', async ({ box }) => {
    await box.unpack(tar(...lower));
    await box.merge(file('.wh.etc/somefile', 'non-empty'));
    expect(box.read('etc/passwd')).toBe('inside');
    expect(box.read('.wh.etc/somefile')).toBe('non-empty');
  });

  test('WhiteoutDeadSymlinkParent', async ({ box }) => {
    await box.unpack(tar(...passwd, symlink('localetc', '/dne')));
    await box.merge(file('localetc/.wh.etc'));
    expect(box.read('etc/passwd')).toBe('inside');
  });

  test('WhiteoutRelativePath', async ({ box }) => {
    await box.unpack(tar(...passwd));
    await box.merge(file('dne/../.wh.etc'));
    expect([...box.tree().keys()]).toEqual(['.']);
  });
});

describe('a hard link to a symlink is that symlink', () => {
  test('HardlinkSymlinkBeforeCreateTarget', async ({ box }) => {
    const dup = hardlink('localpasswd-dup', 'localpasswd');
    await box.unpack(
      tar(dir('etc'), symlink('localpasswd', '/etc/passwd'), dup, file('/etc/passwd', 'after')),
    );
    expect(box.tree().get('localpasswd-dup')).toMatchObject({ target: '/etc/passwd', linkOf: 'localpasswd' });
    expect(box.read('etc/passwd')).toBe('after');
  });

  for (const [name, target] of [
    ['HardlinkSymlinkRelative', '../../../../../etc/passwd'],
    ['HardlinkSymlinkAbsolute', '/etc/passwd'],
  ] as const)
    test(name, async ({ box }) => {
      await box.unpack(tar(...passwd, symlink('passwdlink', target), hardlink('localpasswd', '/passwdlink')));
      expect(box.tree().get('localpasswd')).toMatchObject({ target, linkOf: 'localpasswd' });
      expect(box.tree().get('passwdlink')).toMatchObject({ target, linkOf: 'localpasswd' });
    });

  test('HardlinkSymlinkChmod', async ({ box }) => {
    const inside = `${box.outside}/passwd`.slice(1);
    const sketchy = hardlink('sketchylink', `/${inside}`, { mode: 0o777, uid: 1, gid: 1 });
    await box.unpack(tar(symlink(inside, `${box.outside}/etc/shadow`), sketchy));
    expect(box.tree().get('sketchylink')).toMatchObject({
      type: 'symlink',
      target: `${box.outside}/etc/shadow`,
    });
  });
});

// What all of the above stands on.
test('the sandbox notices a change outside', ({ box }) => {
  const planted = join(box.outside, 'planted');
  writeFileSync(planted, '');
  expect(() => box.assertUntouched()).toThrow(/changes outside/);
  rmSync(planted);
  utimesSync(box.outside, 1e9, 1e9);
});
