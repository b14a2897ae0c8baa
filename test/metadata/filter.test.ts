import { describe, expect, test } from 'vitest';
import { parseFilters } from '../../src/metadata/filter.js';

const passes = (pattern: string, name: string) =>
  parseFilters([`name~=/${pattern}/`])((path) => (path[0] === 'name' ? name : undefined));

describe('regular expressions', () => {
  test.each([
    ['b', 'abc', true],
    ['^b', 'abc', false],
    ['^sha256:[0-9a-f]+$', 'sha256:0af', true],
    ['(?i)ABC', 'xabcx', true],
    ['\\pL+$', 'straße', true],
    ['^$', '', true],
  ])('%s on "%s": %s', (pattern, name, expected) => {
    expect(passes(pattern, name)).toBe(expected);
  });

  test('what takes JavaScript longer than the world will last is told at once', () => {
    expect(passes('^(a+)+$', `${'a'.repeat(1000)}b`)).toBe(false);
  });

  test.each([
    ['(a{1,1000}){1,1000}', 'Not a regular expression'],
    ['(a?){1000}', 'Too large'],
    ['a'.repeat(5000), 'Too large'],
    ['(a)\\1', 'Not a regular expression'],
    ['(', 'Not a regular expression'],
  ])('refused: %s', (pattern, message) => {
    const error = expect.objectContaining({
      code: 'InvalidArgument',
      message: expect.stringContaining(message),
    });
    expect(() => passes(pattern, '')).toThrowError(error);
  });
});
