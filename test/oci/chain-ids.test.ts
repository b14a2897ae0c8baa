import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { chainIDs } from '../../src/oci/chain-ids.js';
import type { DiffID } from '../../src/oci/digest.js';

const [A, B, C] = ['a', 'b', 'c'].map((digit): DiffID => `sha256:${digit.repeat(64)}`) as [
  DiffID,
  DiffID,
  DiffID,
];
const sha256 = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

test('each layer is named with all below it', () => {
  const second = sha256(`${A} ${B}`);
  expect(chainIDs([A, B, C])).toEqual([A, second, sha256(`${second} ${C}`)]);
});

test('no layers', () => {
  expect(chainIDs([])).toEqual([]);
});
