import { describe, expect, test } from 'vitest';
import { type ErrorCode, OverlayerError } from '../../src/index.js';
import { TarDecoder } from '../../src/tar/decoder.js';
import { decode, refusal } from '../helpers/decode.js';
import { oldGnuSparse, paxSparse10 } from '../helpers/sparse-members.js';
import {
  file,
  gnuLongName,
  header,
  member,
  padded,
  pax,
  paxBytes,
  paxGlobal,
  paxRecord,
  symlink,
  tar,
  zeros,
} from '../helpers/tar-builder.js';

// What is refused because two readers would see two archives is in test/security/parser-differential.test.ts.
// Here: that each error says what kind it is, which entry is at fault, and where that begins.

/** One good entry of two blocks, so that offsets are not all 0. */
const before = file('before', 'x');
const START = before.length;

type Case = readonly [
  what: string,
  archive: Buffer,
  code: ErrorCode,
  entry: string | undefined,
  offset: number,
];

const sparse = (records: Readonly<Record<string, string>>, body = '') => [
  paxBytes(
    Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(`GNU.sparse.${key}`, value))),
  ),
  member({ name: 's' }, body),
];
const map = (text: string) => padded(Buffer.from(text)).toString('latin1');

const cases: readonly Case[] = [
  ['a wrong checksum', tar(before, member({ name: 'f', checksum: 1 })), 'InvalidArgument', undefined, START],
  [
    'a size that is no number',
    tar(before, member({ name: 'f', size: { raw: 'junk' } })),
    'InvalidArgument',
    'f',
    START,
  ],
  [
    'an owner below 0',
    tar(before, member({ name: 'f', uid: { base256: -7 } })),
    'InvalidArgument',
    'f',
    START,
  ],
  ['two sizes', tar(before, pax({ size: '9' }), file('f', 'x')), 'InvalidArgument', 'f', START],
  [
    'a body of a symlink',
    tar(before, header({ name: 'f', type: '2', linkname: 't', size: 1 }), Buffer.alloc(512, 'body')),
    'InvalidArgument',
    'f',
    START,
  ],
  ['a file with the name of a directory', tar(before, file('f/')), 'InvalidArgument', 'f/', START],
  ['a link to nothing', tar(before, symlink('f', '')), 'InvalidArgument', 'f', START],
  ['no name', tar(before, file('')), 'InvalidArgument', '', START],
  ['a broken PAX record', tar(before, paxBytes('oops'), file('f')), 'InvalidArgument', undefined, START],
  [
    'two extended headers',
    tar(before, pax({ path: 'a' }), gnuLongName('b'), file('f')),
    'InvalidArgument',
    undefined,
    START,
  ],
  ['an empty long name', tar(before, gnuLongName(''), file('f')), 'InvalidArgument', undefined, START],
  ['a global name', tar(before, paxGlobal({ path: 'all' }), file('f')), 'InvalidArgument', undefined, START],
  [
    'a global sparse name',
    tar(before, paxGlobal({ 'GNU.sparse.name': 'all' }), file('f')),
    'InvalidArgument',
    undefined,
    START,
  ],
  [
    'a sparse name of a file that is not sparse',
    tar(before, pax({ 'GNU.sparse.name': 'other' }), file('f')),
    'InvalidArgument',
    'other',
    START,
  ],
  ['an extended header at the end', tar(before, pax({ path: 'a' })), 'InvalidArgument', undefined, START],
  [
    'a lone block of zeros',
    Buffer.concat([before, zeros(1), file('f')]),
    'InvalidArgument',
    undefined,
    START + 512,
  ],
  ['a type that is not read', tar(before, member({ name: 'f', type: 'M' })), 'Unimplemented', 'f', START],
  ['a sparse file without a map', tar(before, ...sparse({ size: '9' })), 'InvalidArgument', 's', START],
  [
    'an unknown sparse format',
    tar(before, ...sparse({ major: '2', minor: '0', realsize: '9' })),
    'Unimplemented',
    's',
    START,
  ],
  [
    'a sparse map longer than the entry',
    tar(before, ...sparse({ major: '1', minor: '0', realsize: '9' }, map('99\n0\n1\n'))),
    'InvalidArgument',
    's',
    START,
  ],
  [
    'a sparse map that is no map',
    tar(before, ...sparse({ major: '1', minor: '0', realsize: '9' }, map('what\n'))),
    'InvalidArgument',
    's',
    START,
  ],
  [
    'offsets without lengths',
    tar(before, ...sparse({ size: '9', offset: '0' }, 'x')),
    'InvalidArgument',
    's',
    START,
  ],
  [
    'old GNU ranges out of order',
    tar(
      before,
      oldGnuSparse('s', 100, [
        [50, 'b'],
        [0, 'a'],
      ]),
    ),
    'InvalidArgument',
    's',
    START,
  ],
  ['cut off in a header', Buffer.concat([before, file('f').subarray(0, 100)]), 'DataLoss', undefined, START],
  ['cut off in a body', Buffer.concat([before, file('f', 'xyz').subarray(0, 513)]), 'DataLoss', 'f', START],
  ['cut off in padding', Buffer.concat([before, file('f', 'xyz').subarray(0, 600)]), 'DataLoss', 'f', START],
  [
    'cut off in an extended header',
    Buffer.concat([before, pax({ path: 'f' }).subarray(0, 514)]),
    'DataLoss',
    undefined,
    START,
  ],
  [
    'cut off after an extended header',
    Buffer.concat([before, pax({ path: 'f' })]),
    'DataLoss',
    undefined,
    START,
  ],
  [
    'cut off in a sparse map',
    Buffer.concat([before, paxSparse10('f', 9, [[0, 'x']])]).subarray(0, START + 1600),
    'DataLoss',
    'f',
    START,
  ],
  ['no end marker', before, 'DataLoss', undefined, START],
  ['no archive', Buffer.alloc(1024, 'no'), 'InvalidArgument', undefined, 0],
];

test.each(cases)('%s', (_what, archive, code, entry, offset) => {
  const error = refusal(archive);
  expect({ code: error.code, entry: error.entry, offset: error.offset }).toEqual({ code, entry, offset });
  if (entry !== undefined && entry !== '') expect(error.message).toContain(`"${entry}"`);
});

describe('limits', () => {
  test.each([
    ['maxEntries', { maxEntries: 1 }, tar(before, file('f')), 'f'],
    ['maxPathLength', { maxPathLength: 50 }, tar(before, file('f'.repeat(51))), 'f'.repeat(51)],
    ['maxPathLength', { maxPathLength: 50 }, tar(before, symlink('f', 't'.repeat(51))), 'f'],
    ['maxPathLength', { maxPathLength: 50 }, tar(before, file('é'.repeat(26))), 'é'.repeat(26)],
    ['maxBytes', { maxBytes: 5000 }, tar(before, member({ name: 'f', size: 5001 })), 'f'],
    ['maxBytes', { maxBytes: 5000 }, tar(before, oldGnuSparse('f', 5001, [])), 'f'],
    [
      'maxHeaderBytes',
      { maxHeaderBytes: 600 },
      tar(before, pax({ comment: 'c'.repeat(600) }), file('f')),
      undefined,
    ],
    [
      'maxHeaderBytes',
      { maxHeaderBytes: 600 },
      tar(before, gnuLongName('f'.repeat(600)), file('f')),
      undefined,
    ],
    [
      'maxXattrBytes',
      { maxXattrBytes: 50 },
      tar(before, file('f', '', { xattrs: { 'user.a': 'x'.repeat(60) } })),
      undefined,
    ],
  ])('%s', (name, limits, archive, entry) => {
    const error = refusal(archive, limits);
    expect(error).toMatchObject({ code: 'ResourceExhausted', offset: START });
    expect(error.message).toContain(name);
    if (entry !== undefined) expect(error.entry).toBe(entry);
  });

  test('what is just within them passes', () => {
    const limits = {
      maxEntries: 2,
      maxPathLength: 50,
      maxBytes: 5000,
      maxHeaderBytes: 600,
      maxXattrBytes: 50,
    };
    const archive = tar(
      file('f'.repeat(50), 'x'.repeat(1000)),
      file('g', '', { xattrs: { 'user.a': 'x'.repeat(20) } }),
    );
    expect(decode(archive, 512, limits)).toHaveLength(2);
  });

  test('a limit that makes no sense', () => {
    const sink = { entry() {}, data() {}, entryEnd() {} };
    for (const limits of [
      { maxEntries: 0 },
      { maxBytes: Number.NaN },
      { maxPathLength: -1 },
      { none: 1 } as object,
    ])
      expect(() => new TarDecoder(sink, limits)).toThrow(OverlayerError);
  });
});

test('a decoder that has failed takes no more', () => {
  const decoder = new TarDecoder({ entry() {}, data() {}, entryEnd() {} });
  expect(() => decoder.write(Buffer.alloc(512, 'x'))).toThrow(OverlayerError);
  expect(() => decoder.write(zeros(2))).toThrow(expect.objectContaining({ code: 'FailedPrecondition' }));
});

describe('what follows the end', () => {
  const after = (bytes: Buffer) => {
    const decoder = new TarDecoder({ entry() {}, data() {}, entryEnd() {} });
    decoder.write(bytes);
    decoder.end();
    return {
      position: decoder.position,
      entries: decoder.entries,
      dataAfterArchive: decoder.dataAfterArchive,
    };
  };

  test.each([
    ['nothing', tar(before), false],
    ['zeros', tar(before, zeros(30)), false],
    ['bytes', Buffer.concat([tar(before), Buffer.from('junk')]), true],
    ['bytes after zeros', Buffer.concat([tar(before), zeros(9), Buffer.from('j')]), true],
    ['bytes after a lone block of zeros', Buffer.concat([before, zeros(1), Buffer.from('junk')]), true],
  ])('%s', (_what, archive, dataAfterArchive) => {
    expect(after(archive)).toEqual({ position: archive.length, entries: 1, dataAfterArchive });
  });
});
