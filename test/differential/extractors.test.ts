import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { unpackLayer } from '../../src/index.js';
import { EXTRACTORS } from '../helpers/extractors.js';
import { makeSampleTree } from '../helpers/sample-tree.js';
import { diffTrees, type Ignored, readTree, type Tree } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { expectedDifferences } from './known-differences.js';

// The same layers by overlayer, GNU tar, bsdtar and tar-stream. The trees are equal, or each difference is in
// known-differences.ts with its reason, and is found to be exactly that.

const FIXTURES = new URL('../../fixtures/tars/', import.meta.url).pathname;
const work = makeWorkDirectory();
const started = BigInt(Date.now()) * 1_000_000n;
afterAll(() => execFileSync('rm', ['-rf', work]));

let count = 0;

/** Unpacks with both, and says where ours departs. Times are those of files older than this test, or `now`. */
async function compare(
  archive: string,
  tool: keyof typeof EXTRACTORS,
  ignored: Ignored = [],
): Promise<string[]> {
  const base = join(work, `${count++}`);
  mkdirSync(join(base, 'theirs'), { recursive: true });
  await unpackLayer(archive, join(base, 'ours'), { sync: false });
  await EXTRACTORS[tool](archive, join(base, 'theirs'));
  const lines = diffTrees(withoutRoot(join(base, 'theirs')), withoutRoot(join(base, 'ours')), ignored);
  execFileSync('rm', ['-rf', base]);
  return lines.map((line) => line.replace(/mtime should be (\d+), is (\d+)$/, named));
}

function named(text: string, theirs: string, ours: string): string {
  if (BigInt(theirs) < started) return text;
  return `mtime should be now, is ${ours !== '0' && BigInt(ours) < started ? '<archived>' : ours}`;
}

/** Archives without an entry for the root leave it as the tool's own directory was made. */
function withoutRoot(path: string): Tree {
  const tree = new Map(readTree(path));
  tree.delete('.');
  return tree;
}

describe('archives of many writers', () => {
  for (const name of readdirSync(FIXTURES).filter((file) => file.endsWith('.tar')))
    for (const tool of ['tar', 'bsdtar'] as const)
      test(`${name} by ${tool}`, async () => {
        expect(await compare(join(FIXTURES, name), tool)).toEqual(expectedDifferences(name, tool));
      });
});

describe('trees with everything that the format holds', () => {
  const writers = {
    'tar-posix': ['tar', '--format=posix', '--xattrs', '--xattrs-include=*', '--sparse'],
    'tar-gnu': ['tar', '--format=gnu', '--sparse'],
    'tar-ustar': ['tar', '--format=ustar'],
    'bsdtar-pax': ['bsdtar', '--format=pax', '--xattrs'],
    'bsdtar-gnutar': ['bsdtar', '--format=gnutar'],
    'bsdtar-ustar': ['bsdtar', '--format=ustar'],
  } as const;
  for (const [writer, [program, ...options]] of Object.entries(writers)) {
    const tree = join(work, writer);
    const archive = `${tree}.tar`;
    mkdirSync(tree);
    makeSampleTree(tree, {
      longNames: !writer.endsWith('ustar'),
      attributes: writer === 'tar-posix' || writer === 'bsdtar-pax',
      sparse: program === 'tar' || writer === 'bsdtar-pax',
    });
    // In an order that does not depend on the file system.
    const names = execFileSync('sh', ['-c', 'find . -print0 | LC_ALL=C sort --zero-terminated'], {
      cwd: tree,
    });
    const list = [
      ...options,
      '--numeric-owner',
      '--null',
      program === 'tar' ? '--no-recursion' : '-n',
      '-T',
      '-',
    ];
    execFileSync(program, [...list, '-cf', archive], { cwd: tree, input: names });

    for (const tool of ['tar', 'bsdtar'] as const)
      test(`${writer}, by ${tool}`, async () => {
        expect(await compare(archive, tool)).toEqual(expectedDifferences(`${writer}-tree.tar`, tool));
      });

    test(`${writer}: what was packed`, async () => {
      await unpackLayer(archive, `${tree}-unpacked`, { sync: false });
      const lines = diffTrees(readTree(tree), readTree(`${tree}-unpacked`));
      expect(lines).toEqual([]);
    });
  }
});

describe('a real tree', () => {
  for (const format of ['posix', 'gnu', 'ustar'])
    for (const tool of ['tar', 'bsdtar', 'tar-stream'] as const)
      test(`/etc, ${format}, by ${tool}`, async () => {
        const archive = join(work, `etc-${format}.tar`);
        // Status 1 means that something changed while it was read: what is in the archive is what counts.
        const { status, stderr } = spawnSync('tar', [`--format=${format}`, '-cf', archive, '-C', '/', 'etc']);
        expect(status, String(stderr)).toBeLessThan(2);
        const ignored: Ignored = tool === 'tar-stream' ? ['mtime'] : [];
        expect(await compare(archive, tool, ignored)).toEqual([]);
      });
});
