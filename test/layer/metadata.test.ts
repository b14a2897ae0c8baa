import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { characterDevice, dir, fifo, file, hardlink, MTIME, symlink, tar } from '../helpers/tar-builder.js';

const unpack = (box: Sandbox, ...members: readonly Buffer[]) => box.unpack(tar(...members));
/** setcap's version 2: effective, and cap_net_raw permitted. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');
const NANOSECONDS = 1_000_000_000n;

describe('modes and owners', () => {
  const kinds: Record<string, (name: string) => Buffer> = {
    file: (name) => file(name, 'x', { mode: 0o6754, uid: 1000, gid: 100 }),
    directory: (name) => dir(name, { mode: 0o7751, uid: 1000, gid: 100 }),
    fifo: (name) => fifo(name, { mode: 0o4644, uid: 1000, gid: 100 }),
    'character-device': (name) => characterDevice(name, 1, 3, { mode: 0o2666, uid: 1000, gid: 100 }),
  };
  for (const [type, entry] of Object.entries(kinds))
    test(`of a ${type}: setuid, setgid and sticky survive the change of owner`, async ({ box }) => {
      await unpack(box, entry('it'));
      const mode = entry('it').toString('latin1', 103, 107);
      expect(box.tree().get('it')).toMatchObject({ type, mode, uid: 1000, gid: 100 });
    });

  test('of a symlink: its own owner, not its target', async ({ box }) => {
    await unpack(box, file('f'), symlink('l', 'f', { uid: 1000, gid: 100 }));
    expect(box.tree().get('l')).toMatchObject({ type: 'symlink', uid: 1000, gid: 100, target: 'f' });
    expect(box.tree().get('f')).toMatchObject({ uid: 0, gid: 0 });
  });

  test('no permissions at all, and children below', async ({ box }) => {
    await unpack(box, dir('d', { mode: 0 }), file('d/f', 'x', { mode: 0 }));
    expect(box.tree().get('d')).toMatchObject({ mode: '0000' });
    expect(box.tree().get('d/f')).toMatchObject({ mode: '0000', size: 1 });
  });

  test('of the root: ./ is applied, to a new destination and to one that was there', async ({ box }) => {
    const root = dir('./', { mode: 0o1750, uid: 7, gid: 8, mtime: 1234, xattrs: { 'user.root': 'r' } });
    const expected = {
      mode: '1750',
      uid: 7,
      gid: 8,
      mtime: 1234n * NANOSECONDS,
      xattrs: { 'user.root': 'r' },
    };
    await unpack(box, root, file('f'));
    expect(box.tree().get('.')).toMatchObject(expected);
    box.empty();
    mkdirSync(box.dest);
    await unpack(box, file('f'), root);
    expect(box.tree().get('.')).toMatchObject(expected);
  });

  test('of directories that no entry describes', async ({ box }) => {
    await unpack(box, file('a/b/f', 'x', { uid: 5 }));
    for (const path of ['a', 'a/b'])
      expect(box.tree().get(path)).toMatchObject({ mode: '0755', uid: 0, mtime: 0n });
  });
});

describe('times', () => {
  const times: Record<string, bigint> = {
    '0': 0n,
    '1.000000001': 1_000_000_001n,
    '-1.5': -1_500_000_000n,
    '1700000000.123456789': 1_700_000_000_123_456_789n,
    // The year 2514: past what 32 bits hold, and 34 of the seconds' bits on ext4 do not.
    '17179869184.5': 17_179_869_184_500_000_000n,
  };
  for (const [text, nanoseconds] of Object.entries(times))
    test(`${text} is kept to the nanosecond`, async ({ box }) => {
      for (const [name, entry] of [
        ['f', file('f', 'x', { pax: { mtime: text } })],
        ['d', dir('d', { pax: { mtime: text } })],
        ['l', symlink('l', 'x', { pax: { mtime: text } })],
        ['p', fifo('p', { pax: { mtime: text } })],
      ] as const) {
        await box.unpack(tar(entry), { existing: 'merge' });
        expect(box.tree().get(name)?.mtime, name).toBe(nanoseconds);
      }
    });

  test('an access time of its own', async ({ box }) => {
    await unpack(box, file('f', 'x', { pax: { mtime: '100', atime: '50.25' } }));
    const stats = lstatSync(join(box.dest, 'f'), { bigint: true });
    expect([stats.mtimeNs, stats.atimeNs]).toEqual([100_000_000_000n, 50_250_000_000n]);
  });

  test('of directories come last: what is made in them later does not change them', async ({ box }) => {
    await unpack(
      box,
      dir('d', { mtime: 1000 }),
      dir('d/e', { mtime: 2000 }),
      file('d/e/f', 'x'),
      file('other'),
      hardlink('d/late', 'other'),
      symlink('through', 'd/e'),
      file('through/g', 'x'),
      file('d/e/f', 'again'),
    );
    expect(box.tree().get('d')?.mtime).toBe(1000n * NANOSECONDS);
    expect(box.tree().get('d/e')?.mtime).toBe(2000n * NANOSECONDS);
  });

  test('of a directory that is listed after its children, and of one listed twice', async ({ box }) => {
    await unpack(
      box,
      file('d/f'),
      dir('d', { mtime: 1000 }),
      dir('e', { mtime: 1 }),
      file('e/f'),
      dir('e', { mtime: 2 }),
    );
    expect(box.tree().get('d')?.mtime).toBe(1000n * NANOSECONDS);
    expect(box.tree().get('e')?.mtime).toBe(2n * NANOSECONDS);
  });

  test('merge: a directory that the layer does not list keeps its time', async ({ box }) => {
    await unpack(box, dir('./', { mtime: 10 }), dir('d', { mtime: 20 }), dir('d/e', { mtime: 30 }));
    await box.merge(file('d/e/f', 'x'), file('g'));
    const tree = box.tree();
    expect(['.', 'd', 'd/e'].map((path) => tree.get(path)?.mtime)).toEqual(
      [10n, 20n, 30n].map((s) => s * NANOSECONDS),
    );
  });
});

describe('hard links', () => {
  test('share the inode, whatever stands between', async ({ box }) => {
    await unpack(
      box,
      file('a', 'x', { mode: 0o4755, uid: 9 }),
      dir('d'),
      hardlink('d/b', 'a'),
      hardlink('c', 'd/b'),
    );
    const tree = box.tree();
    expect(['a', 'c', 'd/b'].map((path) => tree.get(path)?.linkOf)).toEqual(['a', 'a', 'a']);
    expect(tree.get('d/b')).toMatchObject({ mode: '4755', uid: 9 });
  });

  test('fields of the link itself do not change the file', async ({ box }) => {
    await unpack(
      box,
      file('a', 'x', { mode: 0o600, uid: 9 }),
      hardlink('b', 'a', { mode: 0o777, uid: 1, mtime: 5 }),
    );
    expect(box.tree().get('a')).toMatchObject({ mode: '0600', uid: 9, mtime: BigInt(MTIME) * NANOSECONDS });
  });

  test('to a symlink: the link itself, not what it leads to', async ({ box }) => {
    await unpack(
      box,
      file('f'),
      symlink('l', 'f'),
      symlink('dangling', 'none'),
      hardlink('m', 'l'),
      hardlink('n', 'dangling'),
    );
    const tree = box.tree();
    expect(tree.get('m')).toMatchObject({ type: 'symlink', target: 'f', linkOf: 'l' });
    expect(tree.get('n')).toMatchObject({ type: 'symlink', target: 'none', linkOf: 'dangling' });
  });

  test('to a device and a fifo', async ({ box }) => {
    await unpack(box, characterDevice('c', 1, 3), fifo('p'), hardlink('c2', 'c'), hardlink('p2', 'p'));
    const tree = box.tree();
    expect(tree.get('c2')).toMatchObject({ device: '1:3', linkOf: 'c' });
    expect(tree.get('p2')).toMatchObject({ type: 'fifo', linkOf: 'p' });
  });

  test('to a file where the archive has no entry for the directory', async ({ box }) => {
    await unpack(box, file('a/f', 'x'), hardlink('b/c/f', 'a/f'));
    expect(box.tree().get('b/c/f')).toMatchObject({ linkOf: 'a/f' });
    expect(box.tree().get('b/c')).toMatchObject({ type: 'directory', mode: '0755' });
  });

  test('to what comes later is an error: nothing is there yet', async ({ box }) => {
    expect(await box.failure(tar(hardlink('b', 'a'), file('a')))).toMatchObject({
      code: 'NotFound',
      entry: 'b',
    });
  });

  test('to a file that is replaced afterwards keep the old one', async ({ box }) => {
    await unpack(box, file('a', 'old'), hardlink('b', 'a'), file('a', 'new'));
    expect([box.read('a'), box.read('b')]).toEqual(['new', 'old']);
  });

  test('merge: to a file of the lower layers', async ({ box }) => {
    await unpack(box, file('a', 'x'));
    await box.merge(hardlink('b', 'a'));
    expect(box.tree().get('b')).toMatchObject({ linkOf: 'a' });
  });
});

describe('extended attributes', () => {
  test('a capability survives the change of owner, and is one to getcap', async ({ box }) => {
    await unpack(
      box,
      file('ping', 'x', { mode: 0o755, uid: 1000, xattrs: { 'security.capability': CAPABILITY } }),
    );
    expect(box.tree().get('ping')).toMatchObject({
      uid: 1000,
      xattrs: { 'security.capability': CAPABILITY.toString('latin1') },
    });
    expect(execFileSync('getcap', [join(box.dest, 'ping')], { encoding: 'utf8' })).toContain(
      'cap_net_raw=ep',
    );
  });

  test('setcap gives the same attribute', async ({ box }) => {
    await unpack(box, file('ping', 'x'));
    execFileSync('setcap', ['cap_net_raw+ep', join(box.dest, 'ping')]);
    expect(box.tree().get('ping')?.xattrs['security.capability']).toBe(CAPABILITY.toString('latin1'));
  });

  test('of files, directories and (trusted ones) symlinks and fifos', async ({ box }) => {
    const xattrs = { 'user.a': 'b', 'trusted.bytes': Buffer.from([0, 255, 10]) };
    const trusted = { 'trusted.bytes': Buffer.from([0, 255, 10]) };
    await unpack(
      box,
      file('f', 'x', { xattrs }),
      dir('d', { xattrs }),
      symlink('l', 'f', { xattrs: trusted }),
      fifo('p', { xattrs: trusted }),
    );
    const tree = box.tree();
    for (const path of ['f', 'd'])
      expect(tree.get(path)?.xattrs).toEqual({ 'user.a': 'b', 'trusted.bytes': '\0\xff\n' });
    for (const path of ['l', 'p']) expect(tree.get(path)?.xattrs).toEqual({ 'trusted.bytes': '\0\xff\n' });
  });

  test('where the kernel has none of that kind: left out, and said', async ({ box }) => {
    const result = await unpack(
      box,
      symlink('l', 'x', { xattrs: { 'user.a': 'b' } }),
      file('f', 'x', { xattrs: { nothing: 'b', 'unknown.a': 'b' } }),
    );
    expect(result.anomalies).toMatchObject([{ kind: 'xattr-skipped', count: 3 }]);
    expect(box.tree().get('f')?.xattrs).toEqual({});
  });

  // The kernel refuses these with words of its own: EINVAL, ERANGE, E2BIG. They are the archive's fault.
  test.for([
    ['a capability that is none', { 'security.capability': 'x' }, file],
    ['an empty capability, which no program could read', { 'security.capability': '' }, file],
    ['an access list that is none', { 'system.posix_acl_access': 'x' }, file],
    ['a default access list that is none', { 'system.posix_acl_default': 'x' }, undefined],
    ['a name longer than 255 bytes', { [`user.${'n'.repeat(251)}`]: 'x' }, file],
    ['a value larger than 64 KiB', { 'user.large': 'x'.repeat(65_537) }, file],
  ] as const)('%s: an error that names the entry', async ([, xattrs, make], { box }) => {
    const entry = make === undefined ? dir('it', { xattrs }) : make('it', '', { xattrs });
    expect(await box.failure(tar(entry))).toMatchObject({ code: 'InvalidArgument', entry: 'it' });
  });

  test('a device number that the kernel has no room for: an error that names the entry', async ({ box }) => {
    for (const [major, minor] of [
      [4096, 0],
      [0, 1 << 20],
    ] as const)
      expect(await box.failure(tar(characterDevice('it', major, minor)))).toMatchObject({
        code: 'InvalidArgument',
        entry: 'it',
      });
  });
});

describe('merge: a directory over a directory', () => {
  test('replaces its attributes, extended ones too, and keeps what is in it', async ({ box }) => {
    await unpack(
      box,
      dir('d', { mode: 0o2770, uid: 5, gid: 5, xattrs: { 'user.old': 'o', 'trusted.both': '1' } }),
      file('d/f', 'x'),
    );
    await box.merge(
      dir('d', { mode: 0o711, uid: 6, gid: 0, mtime: 99, xattrs: { 'trusted.both': '2', 'user.new': 'n' } }),
    );
    expect(box.tree().get('d')).toEqual({
      type: 'directory',
      mode: '0711',
      uid: 6,
      gid: 0,
      mtime: 99n * NANOSECONDS,
      xattrs: { 'trusted.both': '2', 'user.new': 'n' },
    });
    expect(box.read('d/f')).toBe('x');
  });

  test('a file over a file has nothing of the old one', async ({ box }) => {
    await unpack(box, file('f', 'old content', { mode: 0o4777, uid: 5, xattrs: { 'user.old': 'o' } }));
    await box.merge(file('f', 'new', { mode: 0o600 }));
    expect(box.tree().get('f')).toMatchObject({ mode: '0600', uid: 0, xattrs: {}, size: 3 });
  });

  const kinds: Record<string, Buffer> = {
    file: file('it', 'x'),
    directory: dir('it'),
    symlink: symlink('it', 'elsewhere'),
    fifo: fifo('it'),
    'character-device': characterDevice('it', 1, 3),
    hardlink: Buffer.concat([file('other', 'x'), hardlink('it', 'other')]),
  };
  for (const [before, old] of Object.entries(kinds))
    for (const [after, entry] of Object.entries(kinds))
      test(`a ${after} over a ${before}`, async ({ box }) => {
        await unpack(box, old, ...(before === 'directory' ? [file('it/below', 'x')] : []));
        await box.merge(entry);
        expect(box.tree().get('it')?.type).toBe(after === 'hardlink' ? 'file' : after);
        expect(box.tree().has('it/below')).toBe(before === 'directory' && after === 'directory');
      });
});
