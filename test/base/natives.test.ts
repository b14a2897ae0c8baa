import { expect, test } from 'vitest';
import { loadLmdb } from '../../src/base/natives.js';

test('lmdb is told the C library, and the environment stays as it was', () => {
  const before = { ...process.env };
  expect(loadLmdb().open).toBeTypeOf('function');
  expect({ ...process.env }).toEqual(before);
});
