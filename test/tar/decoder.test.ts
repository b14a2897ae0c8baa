import { describe, expect, test } from 'vitest';
import { decode } from '../helpers/decode.js';
import { oldGnuSparse, SPARSE_FORMATS, sparseContent } from '../helpers/sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  GNU_MAGIC,
  gnuLongLink,
  gnuLongName,
  hardlink,
  header,
  MTIME,
  member,
  pax,
  paxBytes,
  paxGlobal,
  symlink,
  tar,
  zeros,
} from '../helpers/tar-builder.js';

const only = (...members: readonly Buffer[]) => {
  const entries = decode(tar(...members));
  expect(entries).toHaveLength(1);
  return entries[0]!;
};

describe('ustar', () => {
  test('every type of entry', () => {
    const entries = decode(
      tar(
        file('f', 'body'),
        hardlink('h', 'f'),
        symlink('s', '../x'),
        characterDevice('c', 1, 3),
        member({ name: 'b', type: '4', devmajor: 8, devminor: 1 }),
        dir('d/'),
        fifo('p'),
        member({ name: 'contiguous', type: '7' }, 'x'),
      ),
    );
    expect(entries.map(({ path, type }) => [path, type])).toEqual([
      ['f', 'file'],
      ['h', 'hardlink'],
      ['s', 'symlink'],
      ['c', 'character-device'],
      ['b', 'block-device'],
      ['d/', 'directory'],
      ['p', 'fifo'],
      ['contiguous', 'file'],
    ]);
    expect(entries.map(({ linkPath }) => linkPath)).toEqual(['', 'f', '../x', '', '', '', '', '']);
    expect(entries.map(({ devMajor, devMinor }) => `${devMajor}:${devMinor}`)).toEqual([
      '0:0',
      '0:0',
      '0:0',
      '1:3',
      '8:1',
      '0:0',
      '0:0',
      '0:0',
    ]);
  });

  test('all fields of a file', () => {
    const body = 'x'.repeat(513);
    expect(only(file('name', body, { mode: 0o7751, uid: 1000, gid: 100 }))).toEqual({
      path: 'name',
      type: 'file',
      size: 513,
      mode: 0o7751,
      uid: 1000,
      gid: 100,
      mtimeSec: MTIME,
      mtimeNsec: 0,
      atimeSec: undefined,
      atimeNsec: undefined,
      linkPath: '',
      devMajor: 0,
      devMinor: 0,
      xattrs: undefined,
      sparse: false,
      offset: 0,
      dataOffset: 512,
      content: body,
    });
  });

  test('bits of the mode that say the type are left out', () => {
    expect(only(file('f', '', { mode: 0o100644 })).mode).toBe(0o644);
  });

  test('fields that are full to their last byte', () => {
    const name = 'n'.repeat(100);
    const prefix = 'p'.repeat(155);
    expect(only(member({ name, prefix })).path).toBe(`${prefix}/${name}`);
    expect(only(member({ name: 's', type: '2', linkname: 't'.repeat(100) })).linkPath).toBe('t'.repeat(100));
  });

  test('names that are not UTF-8', () => {
    const bytes = Buffer.from('61ff62', 'hex');
    expect(only(file(bytes)).path).toBe('a\udcffb');
    expect(only(symlink('s', bytes)).linkPath).toBe('a\udcffb');
  });

  test('where each entry begins, extended headers included', () => {
    const entries = decode(tar(file('a', 'x'), pax({ comment: 'c' }), file('b', 'x'.repeat(600)), file('c')));
    expect(entries.map(({ offset }) => offset)).toEqual([0, 1024, 3584]);
    expect(entries.map(({ dataOffset }) => dataOffset)).toEqual([512, 2560, 4096]);
  });
});

describe('other headers', () => {
  test('v7: no magic, no devices; a slash makes a directory', () => {
    const v7 = { magic: '\0\0\0\0\0\0\0\0', type: '\0' };
    expect(only(member({ ...v7, name: 'f' }, 'x'))).toMatchObject({ path: 'f', type: 'file' });
    expect(only(member({ ...v7, name: 'd/' }))).toMatchObject({ path: 'd/', type: 'directory' });
    expect(only(member({ ...v7, name: 'c', type: '3', devmajor: { raw: 'junk' } }))).toMatchObject({
      devMajor: 0,
    });
  });

  test('GNU: what follows the device numbers is no prefix', () => {
    expect(only(member({ name: 'f', magic: GNU_MAGIC, prefix: '14524770507' })).path).toBe('f');
  });

  test('star: a shorter prefix, two times behind it', () => {
    const prefix = 'p'.repeat(130);
    const patch = (block: Buffer) => {
      block.write('14524770507\x0014524770507\0', 345 + 131, 'latin1');
      block.write('tar\0', 508, 'latin1');
    };
    expect(only(member({ name: 'f', prefix, patch })).path).toBe(`${prefix}/f`);
    expect(only(member({ name: 'f', patch })).path).toBe('f');
  });

  test('a checksum of signed bytes, as some old writers have it', () => {
    const block = header({ name: Buffer.from('gr\xfc\xdfe', 'latin1') });
    const signed = block.reduce(
      (sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : (byte << 24) >> 24),
      0,
    );
    const name = Buffer.from('gr\xfc\xdfe', 'latin1');
    expect(only(header({ name, checksum: signed })).path).toBe('gr\udcfc\udcdfe');
  });

  test('base-256: ids, devices and times that octal has no room for', () => {
    const large = member({
      name: 'c',
      type: '3',
      magic: GNU_MAGIC,
      uid: { base256: 2 ** 32 - 2 },
      gid: { base256: 2_147_483_648 },
      mtime: { base256: 2 ** 40 },
      devmajor: { base256: 2 ** 24 },
      devminor: { base256: 2 ** 32 - 1 },
    });
    expect(only(large)).toMatchObject({
      uid: 2 ** 32 - 2,
      gid: 2_147_483_648,
      mtimeSec: 2 ** 40,
      devMajor: 2 ** 24,
      devMinor: 2 ** 32 - 1,
    });
    expect(only(member({ name: 'f', mtime: { base256: -1 } })).mtimeSec).toBe(-1);
  });
});

describe('PAX', () => {
  test('takes the place of the header', () => {
    const records = {
      path: 'long/'.repeat(60),
      uid: '3000000000',
      gid: '4000000000',
      mtime: '1.123456789',
      atime: '-0.5',
    };
    expect(only(pax(records), dir('short', { uid: 1, gid: 2, mtime: 3 }))).toMatchObject({
      path: records.path,
      uid: 3_000_000_000,
      gid: 4_000_000_000,
      mtimeSec: 1,
      mtimeNsec: 123_456_789,
      atimeSec: -1,
      atimeNsec: 500_000_000,
    });
    expect(only(pax({ linkpath: 'far/'.repeat(60) }), symlink('s', 'near')).linkPath).toBe('far/'.repeat(60));
  });

  test('is for one entry', () => {
    expect(decode(tar(pax({ path: 'renamed' }), file('a'), file('b'))).map(({ path }) => path)).toEqual([
      'renamed',
      'b',
    ]);
  });

  test('a global header is for all that follow, and a local one comes before it', () => {
    const entries = decode(
      tar(
        file('before'),
        paxGlobal({ uid: '7', gid: '8', mtime: '9.5' }),
        file('a'),
        pax({ uid: '70' }),
        file('b'),
        paxGlobal({ gid: '80' }),
        file('c'),
      ),
    );
    expect(entries.map(({ uid, gid, mtimeSec }) => [uid, gid, mtimeSec])).toEqual([
      [0, 0, MTIME],
      [7, 8, 9],
      [70, 8, 9],
      [7, 80, 9],
    ]);
  });

  test('an empty value takes back what was said', () => {
    const archive = tar(paxGlobal({ uid: '7' }), pax({ uid: '', mtime: '' }), file('a', '', { uid: 3 }));
    expect(decode(archive)[0]).toMatchObject({ uid: 3, mtimeSec: MTIME });
  });

  test('extended attributes are bytes', () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const { xattrs } = only(file('f', '', { xattrs: { 'user.bytes': bytes, 'user.empty': '' } }));
    expect([...xattrs!].map(([name, value]) => [name, Buffer.from(value).toString('hex')])).toEqual([
      ['user.bytes', bytes.toString('hex')],
      ['user.empty', ''],
    ]);
  });

  test('names of attributes are escaped as GNU tar escapes them', () => {
    const escaped = { 'user.a%3Db': '1', 'user.c%25d': '2', 'user.%253D': '3', 'user.e%2Ff%3d%': '4' };
    expect([...only(file('f', '', { xattrs: escaped })).xattrs!.keys()]).toEqual([
      'user.a=b',
      'user.c%d',
      'user.%3D',
      'user.e%2Ff%3d%',
    ]);
  });

  test('a key ends at the first equals sign', () => {
    const { xattrs } = only(file('f', '', { xattrs: { 'user.a=b': 'c' } }));
    expect([...xattrs!].map(([name, value]) => [name, String(Buffer.from(value))])).toEqual([
      ['user.a', 'b=c'],
    ]);
  });

  test('numbers may begin with zeros', () => {
    const zeros = '0'.repeat(30);
    const records = {
      size: `${zeros}4`,
      uid: `${zeros}7`,
      gid: `${zeros}8`,
      mtime: `${zeros}9.5`,
      atime: `-${zeros}1`,
    };
    expect(only(pax(records), file('f', 'body'))).toMatchObject({
      ...{ size: 4, uid: 7, gid: 8, mtimeSec: 9, mtimeNsec: 500_000_000, atimeSec: -1 },
    });
  });

  test('unknown records, Sun headers and padding are passed over', () => {
    expect(only(pax({ 'vendor.key': 'x', comment: 'c', charset: 'BINARY' }), file('f')).path).toBe('f');
    expect(only(member({ name: 'x', type: 'X' }, '11 path=ab\n'), file('f')).path).toBe('ab');
    expect(only(paxBytes('11 path=ab\n\0\0\0\0\0'), file('f')).path).toBe('ab');
    expect(only(paxBytes(''), file('f')).path).toBe('f');
  });
});

describe('GNU long names', () => {
  const long = 'a/'.repeat(300);

  test('of an entry, and of what it links to, in either order', () => {
    expect(only(gnuLongName(`${long}f`), file('cut')).path).toBe(`${long}f`);
    for (const extensions of [
      [gnuLongName(`${long}l`), gnuLongLink(`${long}t`)],
      [gnuLongLink(`${long}t`), gnuLongName(`${long}l`)],
    ])
      expect(only(...extensions, symlink('cut', 'cut'))).toMatchObject({
        path: `${long}l`,
        linkPath: `${long}t`,
      });
  });

  test('without the NUL at the end', () => {
    expect(only(member({ name: '././@LongLink', type: 'L' }, 'x'.repeat(512)), file('f')).path).toBe(
      'x'.repeat(512),
    );
  });

  test('a long link of something that is no link is not kept', () => {
    expect(only(gnuLongLink('elsewhere'), file('f')).linkPath).toBe('');
  });
});

describe.each(Object.entries(SPARSE_FORMATS))('sparse files, %s', (_format, sparse) => {
  test.each([
    [
      'islands',
      5000,
      [
        [0, 'begin'],
        [1000, 'mid'],
        [4996, 'last'],
      ],
    ],
    ['a hole at the end', 5000, [[10, 'x']]],
    ['nothing but a hole', 5000, []],
    ['no hole at all', 4, [[0, 'full']]],
    ['an empty file', 0, []],
    [
      'data longer than a block',
      4096,
      [
        [100, 'y'.repeat(1500)],
        [2000, 'z'.repeat(700)],
      ],
    ],
    [
      'many islands',
      80_000,
      Array.from({ length: 60 }, (_, index) => [index * 1300, `island ${index}`] as const),
    ],
  ] as const)('%s', (_what, size, islands) => {
    const [entry, next] = decode(tar(sparse('holes', size, islands), file('next', 'n')));
    expect(entry).toMatchObject({ path: 'holes', size, sparse: true, content: sparseContent(size, islands) });
    expect(next).toMatchObject({ path: 'next', sparse: false, content: 'n' });
  });
});

describe('old GNU sparse headers', () => {
  test.each([4, 5, 25, 26])('%i ranges: as many extension blocks as that takes', (count) => {
    const islands = Array.from({ length: count }, (_, index) => [index * 100, 'data'] as const);
    const [entry] = decode(tar(oldGnuSparse('f', 10_000, islands)));
    expect(entry!.content).toBe(sparseContent(10_000, islands));
  });
});

describe('the end', () => {
  test('an empty archive', () => {
    expect(decode(tar())).toEqual([]);
    expect(decode(Buffer.alloc(0))).toEqual([]);
    expect(decode(zeros(20))).toEqual([]);
  });
});
