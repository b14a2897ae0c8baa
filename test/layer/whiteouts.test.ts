import { describe, expect } from 'vitest';
import { type Sandbox, test } from '../helpers/sandbox.js';
import {
  type Attributes,
  dir,
  file,
  hardlink,
  member,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';

// OCI image spec, layer.md, "Whiteouts" and "Opaque Whiteout".

const paths = (box: Sandbox) => [...box.tree().keys()].filter((path) => path !== '.');
const lower = [
  dir('d', { mode: 0o750, uid: 5 }),
  file('d/a', 'lower a'),
  file('d/b', 'lower b'),
  file('d/s/c', 'lower c'),
];

describe('a whiteout in a merged tree', () => {
  test('deletes a file', async ({ box }) => {
    await box.unpack(tar(...lower));
    const { whiteouts } = await box.merge(whiteout('d/a'));
    expect(paths(box)).toEqual(['d', 'd/b', 'd/s', 'd/s/c']);
    expect(whiteouts).toBe(1);
  });

  test('deletes a directory with all below it', async ({ box }) => {
    await box.unpack(tar(...lower, file('keep')));
    await box.merge(whiteout('d'));
    expect(paths(box)).toEqual(['keep']);
  });

  test('deletes a symlink, not its target', async ({ box }) => {
    await box.unpack(tar(...lower, symlink('l', 'd'), symlink('dangling', 'nowhere')));
    await box.merge(whiteout('l'), whiteout('dangling'));
    expect(paths(box)).toEqual(['d', 'd/a', 'd/b', 'd/s', 'd/s/c']);
  });

  test('deletes one of two hard links', async ({ box }) => {
    await box.unpack(tar(file('a', 'x'), hardlink('b', 'a')));
    await box.merge(whiteout('a'));
    expect(box.read('b')).toBe('x');
    expect(paths(box)).toEqual(['b']);
  });

  test('of nothing does nothing', async ({ box }) => {
    await box.unpack(tar(...lower));
    const before = box.tree();
    await box.merge(whiteout('d/none'), whiteout('none/at/all'), whiteout('d/a/not-a-directory'));
    expect(box.tree()).toEqual(before);
  });

  test('leaves the times and attributes of the directory', async ({ box }) => {
    await box.unpack(tar(...lower));
    const before = box.tree().get('d');
    await box.merge(whiteout('d/a'), file('d/new', 'upper'));
    expect(box.tree().get('d')).toEqual(before);
  });

  test('may have any type and a body: its name counts', async ({ box }) => {
    await box.unpack(tar(...lower));
    await box.merge(dir('d/.wh.s/'), file('d/.wh.a', 'a body'), symlink('d/.wh.b', 'x'));
    expect(paths(box)).toEqual(['d']);
  });

  test('of a name that is itself a whiteout name', async ({ box }) => {
    await box.unpack(tar(file('x', 'lower')));
    await box.merge(file('.wh.x/f', 'a directory may be called that'));
    expect(paths(box)).toEqual(['.wh.x', '.wh.x/f', 'x']);
  });
});

describe('whiteouts apply to lower layers only, in any order', () => {
  const orders = {
    before: (mark: Buffer, ...own: Buffer[]) => [mark, ...own],
    after: (mark: Buffer, ...own: Buffer[]) => [...own, mark],
    'before and after': (mark: Buffer, ...own: Buffer[]) => [mark, ...own, mark],
  };
  for (const [order, arrange] of Object.entries(orders)) {
    test(`a whiteout ${order} a file of that name`, async ({ box }) => {
      await box.unpack(tar(...lower));
      await box.merge(...arrange(whiteout('d/a'), file('d/a', 'upper')));
      expect(box.read('d/a')).toBe('upper');
    });

    test(`a whiteout ${order} a directory of that name`, async ({ box }) => {
      await box.unpack(tar(...lower));
      await box.merge(
        ...arrange(whiteout('d'), dir('d', { mode: 0o700 }), file('d/b', 'upper'), file('d/s/n', 'upper')),
      );
      expect(paths(box)).toEqual(['d', 'd/b', 'd/s', 'd/s/n']);
      expect(box.tree().get('d')).toMatchObject({ mode: '0700', uid: 0 });
      expect(box.read('d/b')).toBe('upper');
    });

    test(`an opaque mark ${order} entries of its directory`, async ({ box }) => {
      await box.unpack(tar(...lower));
      await box.merge(
        ...arrange(opaque('d'), file('d/b', 'upper'), file('d/s/n', 'upper'), hardlink('d/l', 'd/b')),
      );
      expect(paths(box)).toEqual(['d', 'd/b', 'd/l', 'd/s', 'd/s/n']);
      expect(box.read('d/b')).toBe('upper');
      expect(box.tree().get('d')).toMatchObject({ mode: '0750', uid: 5 });
    });

    test(`an opaque mark ${order} its directory's own entry`, async ({ box }) => {
      await box.unpack(tar(...lower));
      await box.merge(...arrange(opaque('d'), dir('d', { mode: 0o711 }), symlink('d/l', 'a')));
      expect(paths(box)).toEqual(['d', 'd/l']);
      expect(box.tree().get('d')).toMatchObject({ mode: '0711', uid: 0 });
    });

    test(`an opaque root ${order} entries`, async ({ box }) => {
      await box.unpack(tar(...lower, file('x', 'lower')));
      await box.merge(...arrange(opaque(''), file('y', 'upper'), file('d/n', 'upper')));
      expect(paths(box)).toEqual(['d', 'd/n', 'y']);
    });
  }

  test('an opaque mark below another', async ({ box }) => {
    await box.unpack(tar(...lower));
    await box.merge(file('d/s/n', 'upper'), opaque('d/s'), opaque('d'));
    expect(paths(box)).toEqual(['d', 'd/s', 'd/s/n']);
  });

  test('of many layers each deletes what those before it left', async ({ box }) => {
    await box.unpack(tar(file('f', '0')));
    for (const round of ['1', '2', '3']) {
      await box.merge(whiteout('f'), file(`g${round}`));
      expect(paths(box)).toEqual([`g${round}`]);
      await box.merge(file('f', round), opaque(''));
      expect(paths(box)).toEqual(['f']);
    }
  });
});

describe('names of whiteouts', () => {
  for (const target of ['directory', 'overlay'] as const) {
    for (const name of ['.wh.', '.wh..', '.wh...', 'd/.wh.', 'd/.wh..', 'd/.wh...', './.wh.', 'd//.wh..'])
      test(`"${name}" is refused (${target})`, async ({ box }) => {
        const error = await box.failure(tar(file('f', 'x'), file(name)), { target });
        expect(error).toMatchObject({ code: 'InvalidArgument', entry: name, offset: 1024 });
      });

    test(`metadata of AUFS are passed over (${target})`, async ({ box }) => {
      const metadata = [
        file('.wh..wh.aufs'),
        dir('.wh..wh.plnk'),
        dir('.wh..wh.orph/'),
        file('.wh..wh.plnk/1.2', 'x'),
      ];
      const { whiteouts } = await box.unpack(tar(file('f', 'x'), ...metadata), { target });
      expect(paths(box)).toEqual(['f']);
      expect(whiteouts).toBe(0);
    });
  }

  test('".wh....", ".wh.a" below the prefix, and names that only begin alike', async ({ box }) => {
    await box.unpack(tar(file('...', 'lower'), file('wh.a', 'lower')));
    await box.merge(whiteout('...'), file('.wha', 'upper'));
    expect(paths(box)).toEqual(['.wha', 'wh.a']);
  });
});

describe('a directory over a directory', () => {
  test('replaces its attributes, extended ones too, and keeps what is in it', async ({ box }) => {
    await box.unpack(
      tar(dir('d', { mode: 0o4777, uid: 9, xattrs: { 'user.a': '1', 'user.b': '1' } }), file('d/a', 'x')),
    );
    const attributes: Attributes = { mode: 0o1700, gid: 4, mtime: 7, xattrs: { 'user.b': '2' } };
    await box.merge(dir('d', attributes));
    const expected = { mode: '1700', uid: 0, gid: 4, mtime: 7_000_000_000n, xattrs: { 'user.b': '2' } };
    expect(box.tree().get('d')).toMatchObject(expected);
    expect(box.read('d/a')).toBe('x');
  });
});

describe('something of another type', () => {
  test('a file over a full directory, a directory over a file', async ({ box }) => {
    await box.unpack(tar(...lower, file('f', 'lower')));
    await box.merge(file('d', 'a file now'), dir('f'), file('f/n', 'upper'));
    expect(paths(box)).toEqual(['d', 'f', 'f/n']);
  });

  test('a file of a lower layer is no parent: a directory takes its place', async ({ box }) => {
    await box.unpack(tar(file('f', 'lower', { uid: 8, mode: 0o600 })));
    await box.merge(file('f/n', 'upper'));
    expect(box.tree().get('f')).toMatchObject({ type: 'directory', mode: '0755', uid: 0, mtime: 0n });
  });

  test('a file of the same layer in the way is an error', async ({ box }) => {
    const error = await box.failure(tar(file('f', 'own'), file('f/n', 'x')));
    expect(error).toMatchObject({ code: 'InvalidArgument', entry: 'f/n' });
    await box.unpack(tar(file('f', 'lower')));
    const again = await box.failure(tar(file('f', 'own'), file('f/n', 'x')), { existing: 'merge' });
    expect(again).toMatchObject({ code: 'InvalidArgument', entry: 'f/n' });
  });

  test('missing parents are directories of root, of no time, through dangling symlinks too', async ({
    box,
  }) => {
    await box.unpack(tar(symlink('l', 'to/nowhere'), member({ name: 'l/x/f', uid: 3 })));
    for (const path of ['to', 'to/nowhere', 'to/nowhere/x'])
      expect(box.tree().get(path)).toMatchObject({
        type: 'directory',
        mode: '0755',
        uid: 0,
        gid: 0,
        mtime: 0n,
      });
    expect(box.tree().get('l')?.target).toBe('to/nowhere');
  });
});
