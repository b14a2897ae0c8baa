import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePath, displayJson, displayPath, encodePath } from '../../src/base/path-bytes.js';

const roundTrip = (bytes: Buffer) => encodePath(decodePath(bytes));

/** Bytes that a decoder may stumble on: halves of sequences, surrogates in UTF-8, overlong forms. */
const troublesome = fc
  .array(
    fc.constantFrom(
      'ff',
      'c0af',
      'c3',
      'c3a9',
      'eda080',
      'edb2a9',
      'efbfbd',
      'e282',
      'f0908080',
      'f5808080',
      '41',
      '2f',
      '80',
      'f09f9880',
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'hex'));

describe('names as strings', () => {
  test('any bytes come back as they were', () => {
    const anyBytes = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.oneof(anyBytes, troublesome), (bytes) => {
        expect(roundTrip(bytes)).toEqual(bytes);
      }),
      { numRuns: 5000 },
    );
  });

  test('different bytes are different strings', () => {
    fc.assert(
      fc.property(troublesome, troublesome, (one, other) => {
        expect(decodePath(one) === decodePath(other)).toBe(one.equals(other));
      }),
      { numRuns: 5000 },
    );
  });

  test('valid UTF-8 is the string it spells', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decodePath(Buffer.from(text))).toBe(text);
      }),
    );
  });

  test('other bytes are lone surrogates, as in Python', () => {
    expect(decodePath(Buffer.from('61ff62', 'hex'))).toBe('a\udcffb');
    expect(decodePath(Buffer.from('e9', 'hex'))).toBe('\udce9');
    // A surrogate spelled in UTF-8 is three bytes that are none.
    expect(decodePath(Buffer.from('edb2a9', 'hex'))).toBe('\udced\udcb2\udca9');
  });

  test('a replacement character that the name itself spells stays', () => {
    const bytes = Buffer.from('\uFFFD');
    expect(decodePath(bytes)).toBe('\uFFFD');
    expect(roundTrip(bytes)).toEqual(bytes);
  });
});

describe('names for people', () => {
  test.each([
    ['plain', 'plain'],
    ['grüße', 'grüße'],
    ['tab\there', 'tab\\x09here'],
    ['\x1b[31mred', '\\x1b[31mred'],
    ['a\udcffb', 'a\\xffb'],
    ['\u202etxt.exe', '\\u202etxt.exe'],
    ['\x9b2J', '\\x9b2J'],
  ])('%j is shown as %j', (name, shown) => {
    expect(displayPath(name)).toBe(shown);
  });

  test('nothing that is shown can drive a terminal', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
        expect(displayPath(decodePath(Buffer.from(bytes)))).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      }),
    );
  });
});

describe('what a terminal or an editor would obey', () => {
  const OBEYED = [
    '\x1b',
    '\x7f',
    '\x9b',
    '\u061c',
    '\u200e',
    '\u2028',
    '\u202e',
    '\u2066',
    '\ufeff',
    '\u{e0041}',
  ];

  test.each(OBEYED)('%j is escaped in texts and in JSON', (character) => {
    expect(displayPath(`a${character}b`)).toMatch(/^a\\[xu][0-9a-f]+b$/);
    const shown = displayJson({ [character]: `a${character}` });
    expect(shown).not.toContain(character);
    expect(JSON.parse(shown)).toEqual({ [character]: `a${character}` });
  });

  test('joiners, accents and emoji are not', () => {
    const text = 'é 中文 می‌خواهم 👩‍💻 \ud83d\udc33';
    expect(displayPath(text)).toBe(text);
    expect(displayJson([text])).toBe(JSON.stringify([text]));
  });
});
