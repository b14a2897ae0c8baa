import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram } from '../helpers/build-program.js';
import { DEPTH } from '../helpers/deep-tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let root: string;
let program: string;
beforeAll(async () => {
  root = makeWorkDirectory();
  program = await buildProgram(new URL('./deep-trees.program.js', import.meta.url), root);
});
// Not fs.rm, which gives paths to the kernel.
const empty = () => execFileSync('find', [root, '-mindepth', '1', '-not', '-name', '*.mjs', '-delete']);
afterAll(() => void execFileSync('rm', ['-rf', root]));

/** With 100 open files at most. */
function run(task: string): unknown {
  try {
    const command = ['-c', 'ulimit -n 100; exec "$@"', 'sh', process.execPath, program, task, root];
    return JSON.parse(execFileSync('sh', command, { encoding: 'utf8' }));
  } finally {
    empty();
  }
}

describe('a tree deeper than the stack, for a process that may open 100 files', () => {
  test('is removed', () => expect(run('remove')).toBe(false));

  test('is measured', () => expect(run('measure')).toBe(DEPTH + 2));

  test('is copied, hard links too: the diff is empty', () =>
    expect(run('copy')).toEqual({ entries: 0, whiteouts: 0 }));

  test('is the layer of a diff', () => expect(run('first')).toEqual({ entries: DEPTH + 3, whiteouts: 0 }));

  test('is compared: a change in the last directory is found', () =>
    // Its directories were made anew, and their times are others.
    expect(run('change')).toEqual({ entries: DEPTH + 3, whiteouts: 0 }));

  test('is committed without a manifest, as no path reaches all of it; removed; cleaned up', () =>
    expect(run('snapshot')).toEqual({
      ...{ inodes: DEPTH + 3, findings: [], unverified: ['name'] },
      ...{ removed: ['77'], failed: [] },
    }));
});
