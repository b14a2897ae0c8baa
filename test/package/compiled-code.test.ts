import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { LAYER, NODE, REPOSITORY } from './packed-app.js';

const DIST = join(REPOSITORY, 'dist');
const MAIN = join(DIST, 'cli/main.cjs');
const RELEASE = execFileSync(NODE, ['--version'], { encoding: 'utf8' }).trim();

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

const { NODE_COMPILE_CACHE: _, NODE_DISABLE_COMPILE_CACHE: __, ...environment } = process.env;

interface Surroundings {
  readonly cacheHome?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a command, and expects it to succeed. @returns the files in the cache */
function run(args = HELP, { cacheHome = home, flags = [], env = {} }: Surroundings = {}): readonly string[] {
  const { stdout, stderr, status } = spawnSync(NODE, [...flags, MAIN, ...args], {
    env: { ...environment, XDG_CACHE_HOME: cacheHome, ...env },
    encoding: 'utf8',
  });
  expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  expect(stdout).toMatch(args === INSPECT ? /123/ : /./);
  return existsSync(cache) ? readdirSync(cache).sort() : [];
}

/** @returns the only file in the cache */
function runAndFind(args = HELP): string {
  const files = run(args);
  expect(files).toHaveLength(1);
  return join(cache, files[0]!);
}

/** A file that was written again has another inode, because it is renamed to its name. */
const inode = (file: string) => lstatSync(file).ino;

test('compiled code is kept for the user alone, one file for a command', () => {
  expect(run()).toEqual([expect.stringMatching(/^help-/)]);
  const files = run(INSPECT);
  expect(files).toEqual([expect.stringMatching(/^help-/), expect.stringMatching(/^inspect-/)]);
  expect(statSync(cache).mode & 0o777).toBe(0o700);
  const status = () => files.map((name) => statSync(join(cache, name)));
  expect(status().map(({ mode }) => mode & 0o777)).toEqual([0o600, 0o600]);
  const before = status().map(({ ino }) => ino);
  run();
  run(INSPECT);
  expect(status().map(({ ino }) => ino)).toEqual(before);
});

test.each([
  ['of the main thread', HELP, 'createProgram'],
  ['of a worker thread', INSPECT, 'handleJobs'],
])('a second run does not compile a function %s that the first has called', (_, args, name) => {
  // A file for the isolate of each thread. V8 takes no code that was compiled with other flags, such as another path.
  const logs = join(root, 'logs');
  const flags = ['--log-function-events', `--logfile=${join(logs, 'v8.log')}`, '--logfile-per-isolate'];
  const events = () => {
    rmSync(logs, { recursive: true, force: true });
    mkdirSync(logs);
    run(args, { flags });
    const lines = readdirSync(logs).flatMap((name) => readFileSync(join(logs, name), 'utf8').split('\n'));
    return new Set(lines.filter((line) => line.endsWith(`,${name}`)).map((line) => line.split(',')[1]));
  };
  expect(events()).toContain('full-parse');
  expect(events()).not.toContain('full-parse');
});

test('the code of a small layer, in which V8 optimizes nothing, is used again', () => {
  const file = runAndFind(['unpack', LAYER, join(root, 'first')]);
  const before = inode(file);
  run(['unpack', LAYER, join(root, 'second')]);
  expect(inode(file)).toBe(before);
});

test.each([
  ['arguments', { flags: ['--no-opt'] }],
  ['a variable', { env: { NODE_OPTIONS: '--max-old-space-size=500' } }],
])("each set of V8's flags has a file of its own: flags by %s", (_, flagged) => {
  const plain = runAndFind();
  const files = run(HELP, flagged);
  expect(files).toHaveLength(2);
  const inodes = () => files.map((name) => inode(join(cache, name)));
  const before = inodes();
  expect(plain).toBe(join(cache, files[0]!));
  run();
  run(HELP, flagged);
  expect(inodes()).toEqual(before);
});

test('the code of a chunk that only a later run loads is added', () => {
  const file = runAndFind(INSPECT);
  const { size } = statSync(file);
  run(['inspect', '--json', join(REPOSITORY, 'fixtures/layer.tar.zst')]);
  const { size: more, ino } = statSync(file);
  expect(more).toBeGreaterThan(size);
  run(INSPECT);
  expect(inode(file)).toBe(ino);
});

test('the name of a file has the hash of the files that were compiled', () => {
  const hash = createHash('sha256');
  for (const folder of ['cli/chunks', 'threads'])
    for (const name of readdirSync(join(DIST, folder)).sort())
      hash.update(`\0${name}\0`).update(readFileSync(join(DIST, folder, name)));
  expect(run()).toEqual([`help-${hash.digest('hex').slice(0, 16)}-${RELEASE}-${process.arch}`]);
});

describe('a file is written again', () => {
  const fillFrom = (part: number, byte: number) => (file: string) => {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(byte, Math.floor(bytes.length * part)));
  };
  const replaceBy = (make: (file: string) => void) => (file: string) => {
    rmSync(file);
    make(file);
  };

  test.each<[string, (file: string) => void]>([
    ['that is empty', (file) => truncateSync(file)],
    ['that is cut off in its first line', (file) => truncateSync(file, 20)],
    ['that is cut off', (file) => truncateSync(file, statSync(file).size - 1)],
    ['that lost its last block', fillFrom(0.99, 0)],
    ['that lost its second half', fillFrom(0.5, 0)],
    ['that lost everything', fillFrom(0, 0)],
    ['that is overwritten', fillFrom(0.5, 0xff)],
    [
      'that another Node has written',
      (file) => writeFileSync(file, readFileSync(file, 'latin1').replace(NODE, NODE.toUpperCase()), 'latin1'),
    ],
    [
      'whose code V8 rejects',
      (file) => {
        const bytes = readFileSync(file);
        writeFileSync(file, bytes.fill(0, bytes.indexOf('\n') + 1));
      },
    ],
    ['of another user', (file) => chownSync(file, 1234, 1234)],
    ['that is a symlink', replaceBy((file) => symlinkSync(LAYER, file))],
    ['that is a pipe', replaceBy((file) => execFileSync('mkfifo', [file]))],
  ])('%s', (_, change) => {
    const file = runAndFind();
    const { size } = statSync(file);
    change(file);
    const before = inode(file);
    run();
    expect(inode(file)).not.toBe(before);
    const status = lstatSync(file);
    expect(status.isFile()).toBe(true);
    expect(status.size / size).toBeCloseTo(1, 1);
    const after = inode(file);
    run();
    expect(inode(file)).toBe(after);
  });
});

test('nothing is written where a directory has the name of the file', () => {
  const file = runAndFind();
  rmSync(file);
  mkdirSync(file);
  run();
  expect(run()).toHaveLength(1);
  expect(readdirSync(file)).toEqual([]);
});

test('commands that run at the same time leave one whole file', async () => {
  const env = { ...environment, XDG_CACHE_HOME: home };
  const exits = Array.from({ length: 4 }, () => once(spawn(NODE, [MAIN, ...HELP], { env }), 'exit'));
  expect(await Promise.all(exits)).toEqual(exits.map(() => [0, null]));
  const file = runAndFind();
  const before = inode(file);
  run();
  expect(inode(file)).toBe(before);
});

test('a full disk keeps no part of a file', () => {
  const script =
    'mount -t tmpfs -o size=64k none "$XDG_CACHE_HOME" && "$@" >/dev/null && find "$XDG_CACHE_HOME" -type f';
  const printed = execFileSync('unshare', ['--mount', 'sh', '-c', script, 'sh', NODE, MAIN, ...HELP], {
    env: { ...environment, XDG_CACHE_HOME: home },
    encoding: 'utf8',
  });
  expect(printed).toBe('');
});

test('Node says nothing of a module that a chunk imports late', () => {
  const hosts = join(root, 'hosts/127.0.0.1:1');
  mkdirSync(hosts, { recursive: true });
  writeFileSync(join(hosts, 'hosts.toml'), 'server = "http://127.0.0.1:1"');
  const { stderr } = spawnSync(
    NODE,
    [MAIN, 'inspect', 'docker://127.0.0.1:1/sample:1', '--hosts-dir', join(root, 'hosts')],
    { env: { ...environment, XDG_CACHE_HOME: home }, encoding: 'utf8' },
  );
  expect(stderr).toMatch(/^overlayer: .*ECONNREFUSED\)\n$/);
});

test('the oldest files are removed, and no others', () => {
  const [name] = run();
  const inspect = name!.replace('help', 'inspect');
  const older = Array.from({ length: 50 }, (_, at) =>
    name!.replace(/-[0-9a-f]{16}-/, `-${`${at}`.padStart(16, '0')}-`),
  );
  for (const [at, each] of older.entries()) {
    writeFileSync(join(cache, each), '');
    utimesSync(join(cache, each), at, at);
  }
  const abandoned = `${name}.77.tmp`;
  writeFileSync(join(cache, abandoned), '');
  utimesSync(join(cache, abandoned), 0, 0);
  const others = ['notes', 'v24.22.3-x64-964aae3f-0'];
  for (const each of others) writeFileSync(join(cache, each), '');
  expect(run(INSPECT)).toEqual([...older.slice(12), name, inspect, ...others].sort());
});

test.each<[string, readonly string[], NodeJS.ProcessEnv]>([
  ['--version', ['--version'], {}],
  ['with NODE_DISABLE_COMPILE_CACHE', HELP, { NODE_DISABLE_COMPILE_CACHE: '1' }],
])('%s makes no directory', (_, args, env) => {
  run(args, { env });
  expect(readdirSync(home)).toEqual([]);
});

test('a command that fails keeps no code', () => {
  const { status } = spawnSync(NODE, [MAIN, 'inspect', '/nonexistent'], {
    env: { ...environment, XDG_CACHE_HOME: home },
  });
  expect(status).toBe(5);
  expect(readdirSync(cache)).toEqual([]);
});

test('root makes no cache in the home of another user', () => {
  chownSync(home, 1234, 1234);
  run();
  run(HELP, { cacheHome: join(home, '.cache') });
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
    expect(run()).toEqual([]);
  });

  test('where a file has its name', () => {
    writeFileSync(cache, '');
    expect(() => run()).toThrow('ENOTDIR');
    expect(readFileSync(cache, 'utf8')).toBe('');
  });

  test.each(['/proc/self', '/dev/null', '/nonexistent/cache'])('in %s, which takes no directory', (path) => {
    mkdirSync(cache);
    expect(run(HELP, { cacheHome: path })).toEqual([]);
  });
});
