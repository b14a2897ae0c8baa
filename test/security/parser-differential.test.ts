import { describe, expect, test } from 'vitest';
import { decode, refusal } from '../helpers/decode.js';
import {
  dir,
  file,
  GNU_MAGIC,
  gnuLongLink,
  gnuLongName,
  hardlink,
  header,
  member,
  pax,
  paxBytes,
  paxGlobal,
  symlink,
  tar,
  zeros,
} from '../helpers/tar-builder.js';

// One archive that two readers see as two: a scanner the one, the runtime the other. Wherever readers are known
// to disagree the archive is refused, so that there is nothing to smuggle.

const GIB = 1024 ** 3;
/** What the hostile archives want to bring in unseen. */
const smuggled = file('etc/cron.d/evil', 'hostile');
const names = (archive: Buffer) => decode(archive).map(({ path }) => path);

function expectRefused(archive: Buffer, entry?: string): void {
  const error = refusal(archive);
  expect(error.code, error.message).toBe('InvalidArgument');
  expect(error.offset).toBeTypeOf('number');
  if (entry !== undefined) expect(error.entry).toBe(entry);
}

describe('CVE-2025-62518, GHSA-3cv2-h65g-fgmm, RUSTSEC-2025-0111: PAX size and ustar size disagree', () => {
  test('header says 0, PAX says the length of a nested archive', () => {
    const nested = member({ name: 'layer.tar', size: 0 }, smuggled);
    expectRefused(tar(pax({ size: String(smuggled.length) }), nested), 'layer.tar');
  });

  test('header says the length of a nested archive, PAX says 0', () => {
    expectRefused(tar(pax({ size: '0' }), member({ name: 'layer.tar' }, smuggled)), 'layer.tar');
  });

  test('both say something, but not the same', () => {
    expectRefused(tar(pax({ size: '512' }), member({ name: 'layer.tar' }, smuggled)), 'layer.tar');
  });

  test('a global size is for no entry', () => {
    expectRefused(tar(paxGlobal({ size: '1024' }), file('a', 'x')));
  });

  test('global extended attributes are for no entry', () => {
    expectRefused(tar(paxGlobal({ 'SCHILY.xattr.user.a': 'x' }), file('a', 'x')));
  });

  test('they agree: fine', () => {
    expect(decode(tar(pax({ size: '4' }), file('a', 'body')))).toMatchObject([
      { path: 'a', content: 'body' },
    ]);
  });

  for (const size of [0, 0o77777777777])
    test(`header says ${size} because the file is larger than its field: fine, as far as the bytes reach`, () => {
      const large = Buffer.concat([pax({ size: String(8 * GIB) }), header({ name: 'large', size })]);
      expect(refusal(large)).toMatchObject({ code: 'DataLoss', entry: 'large' });
    });

  test('header says 0 and PAX a size its field could hold', () => {
    expectRefused(tar(pax({ size: String(8 * GIB - 2) }), header({ name: 'large', size: 0 })), 'large');
  });
});

describe('GHSA-fp55-jw48-c537, RUSTSEC-2026-0112: a PAX number that readers skip or read differently', () => {
  for (const key of ['size', 'uid', 'gid', 'mtime'])
    for (const value of [
      '+4',
      ' 4',
      '4 ',
      '0x4',
      '4,0',
      '1e3',
      'NaN',
      '٤',
      '4\n',
      '99999999999999999999',
      '-',
      '.',
    ])
      test(`${key}=${JSON.stringify(value)}`, () =>
        expectRefused(tar(pax({ [key]: value }), file('a', 'body'))));

  for (const key of ['size', 'uid', 'gid'])
    test(`${key}=-4`, () => expectRefused(tar(pax({ [key]: '-4' }), file('a', 'body'))));

  for (const value of ['4294967295', '4294967296'])
    test(`uid=${value} overflows`, () => expectRefused(tar(pax({ uid: value }), file('a')), 'a'));
});

describe('CVE-2026-53655: a PAX header that another extended header follows', () => {
  const size = String(smuggled.length + 512);
  const sequences = {
    'x L': [pax({ size }), gnuLongName('a')],
    'x K': [pax({ size }), gnuLongLink('a')],
    'x x': [pax({ path: 'a' }), pax({ path: 'b' })],
    'x g': [pax({ path: 'a' }), paxGlobal({ comment: 'b' })],
    'L x': [gnuLongName('a'), pax({ path: 'b' })],
    'K x': [gnuLongLink('a'), pax({ linkpath: 'b' })],
    'L g': [gnuLongName('a'), paxGlobal({ comment: 'b' })],
    'L L': [gnuLongName('a'), gnuLongName('b')],
    'L K x': [gnuLongName('a'), gnuLongLink('b'), pax({ path: 'c' })],
  };
  for (const [name, sequence] of Object.entries(sequences))
    test(name, () => expectRefused(tar(...sequence, file('visible', smuggled))));

  const harmless = {
    'g x': [paxGlobal({ comment: 'c' }), pax({ path: 'a' })],
    'L K': [gnuLongName('a'), gnuLongLink('t')],
  };
  for (const [name, sequence] of Object.entries(harmless))
    test(`${name} is fine`, () => expect(names(tar(...sequence, symlink('s', 't')))).toEqual(['a']));

  test('an extended header that nothing follows', () => {
    expectRefused(tar(pax({ path: 'a' })));
    expectRefused(tar(gnuLongName('a')));
  });
});

describe('GNU long names', () => {
  test('a NUL ends the name', () => {
    const long = member({ name: '././@LongLink', type: 'L' }, `a\0${'b'.repeat(600)}`);
    expect(names(tar(long, file('c')))).toEqual(['a']);
  });

  test('an empty one is refused', () => {
    expectRefused(tar(gnuLongName(''), file('visible')));
  });
});

describe('PAX records that are not what POSIX says', () => {
  const malformed = {
    'no length': 'path=a\n',
    'a length too short': '9 path=abcdef\n',
    'a length beyond the header': '99 path=a\n',
    'a length of 0': '0 path=a\n',
    'a length below 0': '-9 path=a\n',
    'a length with a sign': '+9 path=a\n',
    'a length in hexadecimal': '0x9 path=a\n',
    'no line feed': '9 path=abc',
    'no equals sign': '7 path\n',
    'no key': '5 =a\n',
    'more after the last one': '9 path=a\n garbage',
    'a NUL in the path': '11 path=a\0b\n',
    'a NUL in the link path': '15 linkpath=a\0b\n',
    'a length beyond 2^53': '99999999999999999999 path=a\n',
    'a key after a blank, which GNU tar passes over': '10  path=a\n',
    'a key after a tab': '10 \tpath=a\n',
    'an empty path': '8 path=\n',
    'an empty link path': '12 linkpath=\n',
    'an empty size': '8 size=\n',
  };
  for (const [what, bytes] of Object.entries(malformed))
    test(what, () => expectRefused(tar(paxBytes(bytes), file('visible'))));

  test('the last of two records for one key counts', () => {
    expect(names(tar(paxBytes('9 path=a\n9 path=b\n'), file('visible')))).toEqual(['b']);
  });
});

describe('numbers of the header', () => {
  const hostile = {
    'a negative size in octal': { size: { raw: '-0000000001' } },
    'a negative size in base-256': { size: { base256: -512 } },
    'a size beyond 2^53': { size: { base256: 2n ** 60n } },
    'a size that is no number': { size: { raw: '00000000018' } },
    'a size in hexadecimal': { size: { raw: '0x10' } },
    'a negative owner': { uid: { base256: -1 } },
    'an owner beyond 2^32': { gid: { base256: 2n ** 32n } },
    'the owner that means none': { uid: { base256: 2n ** 32n - 1n } },
    'a mode that is no number': { mode: { raw: 'rwxrwxr' } },
    'a time that is no number': { mtime: { raw: 'yesterday' } },
  };
  for (const [what, fields] of Object.entries(hostile))
    test(what, () => expectRefused(tar(member({ name: 'a', ...fields })), 'a'));

  test('a device number beyond 2^32', () => {
    expectRefused(tar(header({ name: 'd', type: '3', devmajor: { base256: 2n ** 32n } })), 'd');
    expectRefused(tar(header({ name: 'd', type: '4', devminor: { base256: -1 } })), 'd');
  });

  test('only a time may be negative', () => {
    expect(decode(tar(member({ name: 'a', mtime: { base256: -1.5e9 } })))).toMatchObject([
      { mtimeSec: -1.5e9 },
    ]);
  });
});

describe('a body where readers disagree whether there is one', () => {
  const types = {
    hardlink: '1',
    symlink: '2',
    'character device': '3',
    'block device': '4',
    directory: '5',
    fifo: '6',
  };
  for (const [name, type] of Object.entries(types)) {
    const sized = (size: number, records: Record<string, string> = {}) =>
      Buffer.concat([pax({ comment: 'c', ...records }), header({ name: 'a', type, linkname: 'b', size })]);

    test(`a ${name} with a size, and a header at once: no reader sees a body`, () => {
      for (const next of [smuggled, pax({ path: 'etc/cron.d/evil' }), gnuLongName('etc/cron.d/evil')])
        expect(names(tar(sized(700), next, ...(next === smuggled ? [] : [file('cut')])))).toEqual([
          'a',
          'etc/cron.d/evil',
        ]);
      expect(names(tar(sized(700)))).toEqual(['a']);
      expect(decode(tar(sized(700)))).toMatchObject([{ path: 'a', size: 0, content: '' }]);
    });

    test(`a ${name} with a size, and something else`, () => {
      const archive = tar(file('first'), sized(512), Buffer.alloc(512, 'body'), smuggled);
      expectRefused(archive, 'a');
      expect(refusal(archive).offset).toBe(512);
    });

    test(`a ${name} with a size in a PAX record: libarchive takes what follows for a body`, () => {
      for (const size of [0, smuggled.length])
        expectRefused(tar(sized(size, { size: String(smuggled.length) }), smuggled), 'a');
      expect(names(tar(sized(0, { size: '0' }), smuggled))).toEqual(['a', 'etc/cron.d/evil']);
    });
  }

  for (const type of ['0', '7'])
    test(`a file (type ${type}) whose name ends in a slash`, () => {
      expectRefused(tar(member({ name: 'a/', type }, smuggled)), 'a/');
    });

  test('v7 had no other way to write a directory', () => {
    const old = member({ name: 'a/', type: '\0', magic: '' });
    expect(decode(tar(old))).toMatchObject([{ path: 'a/', type: 'directory' }]);
  });
});

describe('the end of the archive', () => {
  test('a lone block of zeros between entries', () => {
    expectRefused(tar(file('a'), zeros(1), smuggled));
  });

  test('what follows the end is not read', () => {
    expect(names(tar(file('a'), zeros(2), smuggled))).toEqual(['a']);
  });

  test('one block of zeros is enough, at the end of the bytes', () => {
    expect(names(Buffer.concat([file('a'), zeros(1)]))).toEqual(['a']);
  });

  test('no bytes, or zeros only, are an empty layer', () => {
    for (const blocks of [0, 1, 2, 20]) expect(decode(zeros(blocks))).toEqual([]);
  });

  test('cut off anywhere', () => {
    const whole = Buffer.concat([
      pax({ path: 'long' }),
      file('a', 'x'.repeat(600)),
      symlink('b', 'a'),
      dir('c'),
    ]);
    for (let length = 1; length <= whole.length; length += 37)
      expect(refusal(whole.subarray(0, length)), `${length} bytes`).toMatchObject({ code: 'DataLoss' });
    expect(refusal(whole)).toMatchObject({ code: 'DataLoss' });
  });
});

describe('a prefix that only some readers put before the name', () => {
  /** As Go 1.7 wrote it: docker up to 1.13, for long names of owners above 2097151. */
  const go17 = header({
    ...{ name: 'foo', magic: GNU_MAGIC, prefix: 'a'.repeat(110) },
    uid: { base256: 2 ** 21 },
  });
  const times = '13000000000\x0013000000000\0';
  const tail = (block: Buffer) => void block.write('tar\0', 508, 'latin1');
  const refused = {
    'GNU, by Go 1.7': go17,
    'GNU, half of it times': header({ name: 'foo', magic: GNU_MAGIC, prefix: '13000000000\0a/b' }),
    v7: header({ name: 'foo', magic: '', prefix: 'a' }),
    "a magic like ustar's": header({ name: 'foo', magic: 'ustar1', prefix: 'a' }),
    "a magic like GNU's": header({ name: 'foo', magic: 'ustar \0\0', prefix: 'a' }),
    'star, that goes on into its times': header({
      ...{ name: 'foo', prefix: `${'p'.repeat(131)}${times}`, patch: tail },
    }),
  };
  for (const [name, archive] of Object.entries(refused))
    test(name, () => {
      const error = refusal(tar(file('first'), archive));
      expect(error).toMatchObject({ code: 'InvalidArgument', entry: 'foo', offset: 512 });
    });

  const read = {
    'ustar, of any version': [header({ name: 'foo', magic: 'ustar\x0001', prefix: 'a' }), 'a/foo'],
    'star, with an end': [header({ name: 'foo', prefix: 'a', patch: tail }), 'a/foo'],
    "GNU's times": [header({ name: 'foo', magic: GNU_MAGIC, prefix: times }), 'foo'],
    'the name is said before': [Buffer.concat([gnuLongName('long'), go17]), 'long'],
  } as const;
  for (const [name, [archive, path]] of Object.entries(read))
    test(`${name}: fine`, () => expect(names(tar(archive))).toEqual([path]));
});

describe('numbers that readers take differently', () => {
  for (const field of ['size', 'mode', 'uid', 'gid', 'mtime'] as const)
    for (const raw of ['\x00001', '\0\x00001', '1 1'])
      test(`${field} ${JSON.stringify(raw)}`, () => {
        expectRefused(tar(member({ name: 'a', [field]: { raw } }, smuggled)), 'a');
      });
});

describe('headers that are none', () => {
  test('a wrong checksum', () => {
    const error = refusal(tar(file('a', 'x'), member({ name: 'b', checksum: 0 })));
    expect(error).toMatchObject({ code: 'InvalidArgument', offset: 1024 });
  });

  test('an entry without a name', () => {
    expectRefused(tar(file('', 'x')));
  });

  test('a link without a target', () => {
    expectRefused(tar(symlink('a', '')), 'a');
    expectRefused(tar(hardlink('a', '')), 'a');
  });

  for (const type of ['M', 'D', 'N', 'V', 'A', 'I', 'Z', '8', '9', '\x01', '\xff'])
    test(`type ${JSON.stringify(type)} is not skipped`, () => {
      const unknown = member(
        { name: 'a', patch: (block) => void block.write(type, 156, 'latin1') },
        smuggled,
      );
      expect(refusal(tar(unknown))).toMatchObject({ code: 'Unimplemented', entry: 'a', offset: 0 });
    });
});
