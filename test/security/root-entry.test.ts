import { describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import { characterDevice, dir, fifo, file, hardlink, MTIME, symlink, tar } from '../helpers/tar-builder.js';

describe('CVE-2021-29136: the root can be nothing but a directory', () => {
  for (const name of ['.', './', '/', '..', './.', 'a/..', '../..']) {
    const others = {
      symlink: symlink(name, '/etc'),
      hardlink: hardlink(name, 'f'),
      fifo: fifo(name),
      'character device': characterDevice(name, 1, 3),
    };
    for (const [type, entry] of Object.entries(others))
      test(`"${name}" as ${type}`, async ({ box }) => {
        const error = await box.failure(tar(file('f', 'x'), entry, file('passwd', 'hostile')));
        expect(error).toMatchObject({ code: 'InvalidArgument', entry: name, offset: 1024 });
      });
  }

  test('"." as symlink over a merged tree', async ({ box }) => {
    await box.unpack(tar(file('passwd', 'lower')));
    const error = await box.failure(tar(symlink('.', box.outside)), { existing: 'merge' });
    expect(error.code).toBe('InvalidArgument');
    expect(box.read('passwd')).toBe('lower');
  });

  test('an overlay target is no different', async ({ box }) => {
    const error = await box.failure(tar(symlink('./', box.outside), file('passwd', 'x')), {
      target: 'overlay',
    });
    expect(error.code).toBe('InvalidArgument');
  });

  test('as a directory its metadata are applied, last of all', async ({ box }) => {
    await box.unpack(
      tar(dir('./', { mode: 0o1751, uid: 3, gid: 4, xattrs: { 'user.a': 'b' } }), file('f', 'x')),
    );
    const expected = {
      mode: '1751',
      uid: 3,
      gid: 4,
      mtime: BigInt(MTIME) * 10n ** 9n,
      xattrs: { 'user.a': 'b' },
    };
    expect(box.tree().get('.')).toMatchObject(expected);
  });
});
