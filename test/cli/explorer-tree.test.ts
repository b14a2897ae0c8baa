import { describe, expect, test } from 'vitest';
import { rowsOf, type TreeNode, treeOfChanges, treeOfFiles } from '../../src/cli/explorer/file-tree.js';
import type { ExploredFile, PathChange } from '../../src/index.js';

const file = (path: string, size: number, more: Partial<ExploredFile> = {}): ExploredFile => ({
  ...{ path, size, type: 'file', mode: 0o644, uid: 0, gid: 0, mtimeSec: 0, linkPath: '', layer: 0 },
  linkTo: undefined,
  ...more,
});

const lines = (rows: readonly TreeNode[]) =>
  rows.map(({ depth, mark, name, bytes }) => `${'  '.repeat(depth - 1)}${mark} ${name} ${bytes}`);

const root = treeOfFiles([
  file('a', 0, { type: 'directory' }),
  file('a/big', 90),
  file('a/deep/er/small', 10),
  file('b', 200),
  file('c', 0, { type: 'symlink', linkPath: '../b\x07' }),
]);

test('directories have the bytes below them, and the largest come first', () => {
  expect(lines(rowsOf(root, new Set(), ''))).toEqual(['  b 200', '  a 100', '  c 0']);
  expect(root).toMatchObject({ bytes: 300, entries: 5 });
  const a = root.children[1]!;
  expect(lines(rowsOf(root, new Set([a]), ''))).toEqual([
    '  b 200',
    '  a 100',
    '    big 90',
    '    deep 10',
    '  c 0',
  ]);
});

test('a filter shows what matches, with the directories that lead to it, in any case', () => {
  expect(lines(rowsOf(root, new Set(), 'SMALL'))).toEqual([
    ...['  a 100', '    deep 10', '      er 10', '        small 10'],
  ]);
  expect(rowsOf(root, new Set(), 'nothing')).toEqual([]);
});

test('links tell where they lead, as a terminal may show it', () => {
  expect(root.children[2]!.note).toBe('→ ../b\\x07 layer 0');
});

describe('changes of a layer', () => {
  const change = (path: string, kind: PathChange['kind'], more: Partial<PathChange> = {}): PathChange => ({
    ...{ path, kind, type: 'file', sizeBefore: 0, sizeAfter: 0, metadataOnly: false },
    ...more,
  });

  test('have letters, and removed files the bytes that they had', () => {
    const tree = treeOfChanges([
      change('d/new', 'added', { sizeAfter: 3 }),
      change('d/old', 'removed', { sizeBefore: 9 }),
      change('d/mode', 'changed', { sizeBefore: 4, sizeAfter: 4, metadataOnly: true }),
      change('d/text', 'changed', { sizeBefore: 4, sizeAfter: 5 }),
    ]);
    expect(lines(rowsOf(tree, new Set(tree.children), ''))).toEqual([
      ...['  d 21', '  D old 9', '  C text 5', '  M mode 4', '  A new 3'],
    ]);
  });

  test('a tree of any depth is shown', () => {
    const depth = 20_000;
    const tree = treeOfChanges([change(Array.from({ length: depth }, () => 'd').join('/'), 'added')]);
    expect(rowsOf(tree, new Set(), 'd')).toHaveLength(depth);
  });
});
