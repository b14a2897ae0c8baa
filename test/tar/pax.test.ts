import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PaxError, parsePaxInteger, parsePaxTime, visitPaxRecords } from '../../src/tar/pax.js';
import { paxRecord } from '../helpers/tar-builder.js';

/** The records between bytes that are none of theirs. */
function parse(bytes: string | Buffer): [key: string, value: string][] {
  const records: [string, string][] = [];
  const [surrounded, start, end] = amid(bytes);
  visitPaxRecords(surrounded, start, end, (key, from, to) => {
    records.push([surrounded.toString('utf8', key, from - 1), surrounded.toString('latin1', from, to)]);
  });
  return records;
}

/** Digits and line feeds on both sides: a parser that reads too far takes them along. */
function amid(bytes: string | Buffer): [bytes: Buffer, start: number, end: number] {
  const middle = Buffer.from(bytes as string);
  return [Buffer.concat([Buffer.from('9\n1.1'), middle, Buffer.from('1.1\n9')]), 5, 5 + middle.length];
}

describe('records', () => {
  test('any keys and values come back, binary ones too', () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[=\0]|^[ \t]/.test(text));
    const value = fc.uint8Array({ maxLength: 1200 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(fc.tuple(key, value)), (records) => {
        const bytes = Buffer.concat(records.map(([name, content]) => paxRecord(name, content)));
        expect(parse(bytes)).toEqual(records.map(([name, content]) => [name, content.toString('latin1')]));
      }),
    );
  });

  test('a length that grows by counting itself', () => {
    for (const size of [1, 90, 91, 92, 93, 94, 95, 990, 991, 992, 993, 994])
      expect(parse(paxRecord('key', 'x'.repeat(size)))).toEqual([['key', 'x'.repeat(size)]]);
  });

  test('an equals sign and a line feed in the value', () => {
    expect(parse(paxRecord('k', 'a=b\nc'))).toEqual([['k', 'a=b\nc']]);
  });

  test('padding of NULs, as some writers leave it', () => {
    expect(parse(Buffer.concat([paxRecord('k', 'v'), Buffer.alloc(40)]))).toEqual([['k', 'v']]);
  });

  test('mangled bytes give records or a PaxError, nothing else', () => {
    const mangled = fc.tuple(fc.nat({ max: 30 }), fc.nat({ max: 255 }));
    fc.assert(
      fc.property(fc.array(mangled, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Buffer.concat([paxRecord('path', 'a/b/c'), paxRecord('mtime', '1.5')]);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          parse(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(PaxError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('numbers', () => {
  test.each([
    ['0', 0],
    ['0042', 42],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%s', (text, value) => {
    expect(parsePaxInteger(...amid(text))).toBe(value);
  });

  test.each(['', '-1', '+1', '1.0', ' 1', '1 ', '0x10', '1e3', '9007199254740992', '99999999999999999999'])(
    '%j is none',
    (text) => {
      expect(parsePaxInteger(...amid(text))).toBeUndefined();
    },
  );
});

describe('times', () => {
  test.each([
    ['0', 0, 0],
    ['1700000000', 1_700_000_000, 0],
    ['1700000000.', 1_700_000_000, 0],
    ['1700000000.5', 1_700_000_000, 500_000_000],
    ['1.000000001', 1, 1],
    ['1.0000000019', 1, 1],
    ['-1', -1, 0],
    ['-1.25', -2, 750_000_000],
    ['-0.000000001', -1, 999_999_999],
    ['-0', 0, 0],
  ])('%s is %i seconds and %i nanoseconds', (text, sec, nsec) => {
    expect(parsePaxTime(...amid(text))).toEqual({ sec, nsec });
  });

  test.each(['', '.', '-', '.5', '1.2.3', '1,5', ' 1', '+1', '1e9', 'NaN', '1234567890123456'])(
    '%j is none',
    (text) => {
      expect(parsePaxTime(...amid(text))).toBeUndefined();
    },
  );

  test('no digit of nine is lost', () => {
    const instants = fc.tuple(
      fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      fc.integer({ min: 0, max: 999_999_999 }),
    );
    fc.assert(
      fc.property(instants, ([sec, nsec]) => {
        const total = BigInt(sec) * 1_000_000_000n + BigInt(nsec);
        const size = total < 0n ? -total : total;
        const text = `${total < 0n ? '-' : ''}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, '0')}`;
        expect(parsePaxTime(...amid(text))).toEqual({ sec, nsec });
      }),
    );
  });
});
