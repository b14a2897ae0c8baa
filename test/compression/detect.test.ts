import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { compress } from 'zstd-napi';
import { detectFormat } from '../../src/compression/detect.js';
import { file, tar } from '../helpers/tar-builder.js';

const hex = (text: string) => Buffer.from(text, 'hex');
const TARS = new URL('../../fixtures/tars/', import.meta.url);

test.each([
  ['gzip', gzipSync('x')],
  ['zstd', compress(Buffer.from('x'))],
  ['zstd', hex('502a4d1800000000')],
  ['zstd', hex('5f2a4d1800000000')],
  ['none', tar(file('a'))],
  ['none', Buffer.alloc(1024)],
  ['none', Buffer.alloc(0)],
  ['none', hex('1f')],
  ['none', hex('28b52f')],
  ['none', hex('602a4d1800000000')],
])('%s', (format, bytes) => {
  expect(detectFormat(bytes)).toBe(format);
});

test.each(readdirSync(TARS).filter((name) => name.endsWith('.tar')))('%s is no compressed stream', (name) => {
  expect(detectFormat(readFileSync(new URL(name, TARS)))).toBe('none');
});

describe('compressions that are known and not read', () => {
  test.each([
    ['xz', 'fd377a585a00'],
    ['bzip2', '425a6839314159'],
    ['lz4', '04224d18'],
    ['lz4', '02214c18'],
    ['lzip', '4c5a495001'],
    ['zip', '504b0304'],
    ['Unix compress', '1f9d90'],
  ])('%s is named', (name, magic) => {
    expect(() => detectFormat(Buffer.concat([hex(magic), Buffer.alloc(600)]))).toThrow(
      expect.objectContaining({ code: 'Unimplemented', message: expect.stringContaining(name), offset: 0 }),
    );
  });

  test('a tar whose first name begins with the same letters is a tar', () => {
    for (const name of ['BZh91AY', 'LZIP', 'PK\x03\x04']) expect(detectFormat(tar(file(name)))).toBe('none');
  });
});
