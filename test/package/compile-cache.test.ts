import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { LAYER, NODE, REPOSITORY } from './packed-app.js';

const MAIN = join(REPOSITORY, 'dist/cli/main.cjs');
const hasCache =
  execFileSync(NODE, ['--print', '"enableCompileCache" in require("node:module")']).toString() === 'true\n';

const INSPECT: readonly string[] = ['inspect', LAYER];
const HELP: readonly string[] = ['help'];

let root: string;
let home: string;
let cache: string;
beforeEach(() => {
  root = makeWorkDirectory();
  home = join(root, 'home');
  cache = join(home, 'overlayer');
  mkdirSync(home);
});
afterEach(() => rmSync(root, { recursive: true }));

/** Runs a command: one that loads several chunks and a thread, by default. @returns the files in the cache */
function run(args = INSPECT, cacheHome = home): readonly string[] {
  const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...env } = process.env;
  const { stdout, stderr, status } = spawnSync(NODE, [MAIN, ...args], {
    env: { ...env, XDG_CACHE_HOME: cacheHome },
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(args === INSPECT ? /123/ : /./);
  return filesBelow(cache);
}

function filesBelow(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

test('compiled code is kept for the user alone, where Node can do it', () => {
  const files = run();
  expect(files.length > 3).toBe(hasCache);
  if (hasCache) expect(statSync(cache).mode & 0o777).toBe(0o700);
  const times = () => filesBelow(cache).map((file) => statSync(file).mtimeMs);
  const before = times();
  expect(run()).toEqual(files);
  expect(times()).toEqual(before);
});

test('damaged code is compiled again', () => {
  const files = run();
  expect(files.length > 3).toBe(hasCache);
  for (const file of files) truncateSync(file, statSync(file).size / 2);
  run();
  for (const file of files) {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xff, bytes.length / 2));
  }
  run();
});

test('--version makes no cache', () => {
  run(['--version']);
  expect(readdirSync(home)).toEqual([]);
});

test('root makes no cache in the home of another user', () => {
  chownSync(home, 1234, 1234);
  run(HELP);
  run(HELP, join(home, '.cache'));
  expect(readdirSync(home)).toEqual([]);
});

describe('no cache is used', () => {
  test.each<[string, () => void]>([
    ['that the group can write', () => chmodSync(cache, 0o770)],
    ['that others can read', () => chmodSync(cache, 0o755)],
    ['of another user', () => chownSync(cache, 1234, 1234)],
    ['in a directory that others can write', () => chmodSync(home, 0o777)],
    ['in a directory of another user', () => chownSync(home, 1234, 1234)],
    [
      'behind a symlink',
      () => {
        rmSync(cache, { recursive: true });
        mkdirSync(join(root, 'other'));
        symlinkSync(join(root, 'other'), cache);
      },
    ],
  ])('%s', (_, change) => {
    mkdirSync(cache, { mode: 0o700 });
    change();
    expect(run(HELP)).toEqual([]);
  });

  test('where a file has its name', () => {
    writeFileSync(cache, '');
    expect(() => run(HELP)).toThrow('ENOTDIR');
    expect(readFileSync(cache, 'utf8')).toBe('');
  });

  test.each(['/proc/self', '/dev/null', '/nonexistent/cache'])('in %s, which takes no directory', (path) => {
    mkdirSync(cache);
    expect(run(HELP, path)).toEqual([]);
  });
});
