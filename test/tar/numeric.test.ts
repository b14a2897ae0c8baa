import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NumericError, parseNumeric } from '../../src/tar/block.js';

const parse = (bytes: Buffer) => parseNumeric(bytes, 0, bytes.length);
const octal = (text: string) => parse(Buffer.from(text, 'latin1'));

/** A number as GNU tar writes it: two's complement, big-endian, the first bit set. */
function base256(value: number | bigint, length: number): Buffer {
  const hex = BigInt.asUintN(length * 8, BigInt(value)).toString(16);
  const bytes = Buffer.from(hex.padStart(length * 2, '0'), 'hex');
  bytes[0]! |= 0x80;
  return bytes;
}

describe('octal', () => {
  test.each([
    ['0000644\0', 0o644],
    ['0000644 ', 0o644],
    ['  644 \0\0', 0o644],
    ['644\0junk', 0o644],
    ['  \0\0    ', 0],
    ['644\0\0\0\0\0', 0o644],
    ['77777777', 0o77777777],
    ['777777777777', 0o777777777777],
    ['\0\0\0\0\0\0\0\0', 0],
    ['        ', 0],
    ['0', 0],
  ])('%j is %i', (text, value) => {
    expect(octal(text)).toBe(value);
  });

  test.each([
    '0000648\0',
    '0x1ff\0',
    '-000001\0',
    '+000001\0',
    '64a',
    'rwxr-xr-x',
    '1.5\0',
    '٦٤٤',
    '644 1\0',
    '\0junk',
  ])('%j is no number', (text) => {
    expect(() => octal(text)).toThrow(NumericError);
  });

  test.each(['\x000644', '\0\x30644', '\0\0\x344\0', ' \x00644'])(
    '%j: after a NUL readers disagree',
    (text) => {
      expect(() => octal(text)).toThrow(/begins with a NUL/);
    },
  );

  test('every number comes back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0o77777777777 }), (value) => {
        expect(octal(`${value.toString(8).padStart(11, '0')}\0`)).toBe(value);
      }),
    );
  });
});

describe('base-256', () => {
  test('every number that a double holds exactly comes back, negative ones too', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(parse(base256(value, 12))).toBe(value);
      }),
    );
  });

  test('8 bytes: ids and devices', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 32 }), (value) => {
        expect(parse(base256(value, 8))).toBe(value);
      }),
    );
  });

  test.each([2n ** 53n, 2n ** 63n, 2n ** 90n, -(2n ** 60n)])('%i overflows', (value) => {
    expect(() => parse(base256(value, 12))).toThrow(NumericError);
  });
});
