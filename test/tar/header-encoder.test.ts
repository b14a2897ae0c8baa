import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodePath } from '../../src/base/path-bytes.js';
import { END_MARKER_BYTES, HeaderEncoder, type TarHeader } from '../../src/tar/header-encoder.js';
import type { EntryType } from '../../src/tar/types.js';
import { decode } from '../helpers/decode.js';

const FIELDS: TarHeader = {
  path: 'f',
  type: 'file',
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  linkPath: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
};

/** Any bytes but NUL, as names on Linux are. */
const bytes = (maxLength: number) =>
  fc
    .uint8Array({ min: 1, minLength: 1, maxLength })
    .map((name) => decodePath(Buffer.from(name)))
    .filter((name) => !name.endsWith('/'));
const name = fc.oneof(bytes(300), fc.stringMatching(/^[a-z]{1,300}$/), fc.constant('x'.repeat(100)));
const id = fc.oneof(fc.nat(0o7777777), fc.nat(2 ** 32 - 2), fc.constantFrom(0o7777777, 0o10000000));
const xattrs = fc
  .dictionary(fc.stringMatching(/^user\.[a-zé=%235D]{1,20}$/), fc.uint8Array({ maxLength: 100 }), {
    maxKeys: 3,
  })
  .map((values) => (Object.keys(values).length === 0 ? undefined : new Map(Object.entries(values))));

const header = fc
  .record({
    path: name,
    type: fc.constantFrom<EntryType>(
      'file',
      'directory',
      'symlink',
      'fifo',
      'character-device',
      'block-device',
    ),
    mode: fc.nat(0o7777),
    uid: id,
    gid: id,
    mtimeSec: fc.oneof(fc.integer(), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
    mtimeNsec: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
    target: name,
    devMajor: fc.nat(4095),
    devMinor: fc.nat(2 ** 20 - 1),
    xattrs,
  })
  .map(({ target, ...fields }): TarHeader => {
    const isDevice = fields.type.endsWith('device');
    return {
      ...fields,
      size: 0,
      linkPath: fields.type === 'symlink' ? target : '',
      devMajor: isDevice ? fields.devMajor : 0,
      devMinor: isDevice ? fields.devMinor : 0,
    };
  });

const encoder = new HeaderEncoder();
const encodeHeader = (header: TarHeader) => Buffer.from(encoder.encode(header));

function archive(...headers: readonly TarHeader[]): Buffer {
  return Buffer.concat([...headers.map(encodeHeader), Buffer.alloc(END_MARKER_BYTES)]);
}

test('the strict decoder reads what was written', () => {
  fc.assert(
    fc.property(fc.array(header, { minLength: 1, maxLength: 3 }), (headers) => {
      const read = decode(archive(...headers));
      expect(read.length).toBe(headers.length);
      for (const [index, written] of headers.entries()) expect(read[index]).toMatchObject(written);
    }),
    { numRuns: 500 },
  );
});

test('a file that ustar has no room for', () => {
  const size = 2 ** 33;
  const header = encodeHeader({ ...FIELDS, size });
  expect(header.toString('latin1', 512, 512 + 20)).toBe('19 size=8589934592\n\0');
  expect(encodeHeader({ ...FIELDS, size: size - 1 }).length).toBe(512);
});

test('most entries take one block, and name no user', () => {
  const header = encodeHeader({ ...FIELDS, path: 'a/b', uid: 1000, gid: 1000, mtimeSec: 1_700_000_000 });
  expect(header.length).toBe(512);
  expect(header.subarray(265, 329).every((byte) => byte === 0)).toBe(true);
});

test('times before 1970, as POSIX writes them', () => {
  const timeOf = (mtimeSec: number, mtimeNsec: number) =>
    /mtime=(.*)\n/.exec(encodeHeader({ ...FIELDS, mtimeSec, mtimeNsec }).toString('latin1'))?.[1];
  expect(timeOf(-2, 250_000_000)).toBe('-1.75');
  expect(timeOf(-1, 500_000_000)).toBe('-0.5');
  expect(timeOf(-1, 0)).toBe('-1');
  expect(timeOf(1, 100)).toBe('1.0000001');
  expect(timeOf(1, 0)).toBeUndefined();
});

test.each([
  ['a NUL in a name', { path: 'a\0b' }],
  ['a NUL in a target', { type: 'symlink', linkPath: 'a\0b' }],
  ['a device number beyond ustar', { type: 'character-device', devMinor: 0o10000000 }],
] as const)('%s is refused', (_, fields) => {
  expect(() => encodeHeader({ ...FIELDS, ...fields })).toThrow(/^Cannot write entry/);
});
