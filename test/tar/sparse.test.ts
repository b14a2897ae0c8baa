import { describe, expect, test } from 'vitest';
import {
  checkSparseMap,
  paxMap,
  SparseError,
  type SparseMapReader,
  type SparseRange,
} from '../../src/tar/sparse.js';

const range = (offset: number, length: number): SparseRange => ({ offset, length });

describe('a map', () => {
  test.each([
    ['no data at all', [], 100, 0],
    ['one range', [range(10, 5)], 100, 5],
    ['ranges that touch', [range(0, 5), range(5, 5)], 10, 10],
    ['up to the last byte', [range(99, 1)], 100, 1],
  ])('%s', (_what, map, size, stored) => {
    expect(() => checkSparseMap(map, size, stored)).not.toThrow();
  });

  test.each([
    ['ranges that overlap', [range(0, 5), range(4, 5)], 100, 10],
    ['ranges out of order', [range(10, 5), range(0, 5)], 100, 10],
    ['beyond the end', [range(99, 2)], 100, 2],
    ['more stored than the map says', [range(0, 5)], 100, 6],
    ['less stored than the map says', [range(0, 5)], 100, 4],
  ])('%s is refused', (_what, map, size, stored) => {
    expect(() => checkSparseMap(map, size, stored)).toThrow(SparseError);
  });
});

describe('numbers in a list', () => {
  test('empty ranges mark the end of the file and hold nothing', () => {
    expect(paxMap({ sparseList: ['0', '5', '100', '0'], sparseBlocks: 2 })).toEqual([range(0, 5)]);
  });

  test.each([[['0']], [['0', '-1']], [['0', '']], [['0', '1e3']], [['99999999999999999', '1']]])(
    '%j is refused',
    (numbers) => {
      expect(() => paxMap({ sparseList: numbers, sparseBlocks: Math.trunc(numbers.length / 2) })).toThrow(
        SparseError,
      );
    },
  );
});

describe('a map before the data, line by line (format 1.0)', () => {
  const blocks = (text: string): Buffer[] => {
    const bytes = Buffer.alloc(Math.ceil(text.length / 512) * 512);
    bytes.write(text, 'latin1');
    return Array.from({ length: bytes.length / 512 }, (_, index) =>
      bytes.subarray(index * 512, index * 512 + 512),
    );
  };

  const mapReader = () => paxMap({ sparseMajor: 1, sparseMinor: 0 }) as SparseMapReader;

  test('in one block', () => {
    expect(mapReader().push(blocks('2\n0\n5\n100\n7\n')[0]!, 0)).toEqual([range(0, 5), range(100, 7)]);
  });

  test('without ranges', () => {
    expect(mapReader().push(blocks('0\n')[0]!, 0)).toEqual([]);
  });

  test('a number that two blocks share', () => {
    const count = 200;
    const ranges = Array.from({ length: count }, (_, index) => range(index * 1_000_003, 7));
    const text = `${count}\n${ranges.map(({ offset, length }) => `${offset}\n${length}\n`).join('')}`;
    const reader = mapReader();
    const answers = blocks(text).map((block) => reader.push(block, 0));
    expect(answers.slice(0, -1).every((answer) => answer === undefined)).toBe(true);
    expect(answers.at(-1)).toEqual(ranges);
  });

  test.each(['x\n', '-1\n', '1\n0\nfive\n', '1'.padEnd(512, '1')])('%j is refused', (text) => {
    expect(() => mapReader().push(blocks(text)[0]!, 0)).toThrow(SparseError);
  });
});
