import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { openSnapshotter, unpackSnapshot } from '../../src/index.js';
import {
  controlCharacters,
  expectScript,
  MAIN,
  needsProgram,
  overlayer,
  sha256,
  tarOf,
  temporaryDirectory,
} from './helpers.js';
import { Terminal } from './tmux.js';

const BASE = await tarOf({ name: 'etc/', type: 'directory' }, { name: 'etc/base', content: 'base' });
const NEXT = await tarOf({ name: 'etc/next', content: 'next' }, { name: 'etc/.wh.base' });

let directory: string;
let root: string;
beforeEach(() => {
  directory = temporaryDirectory();
  root = join(directory, 'store');
  writeFileSync(join(directory, 'base.tar'), BASE);
  writeFileSync(join(directory, 'next.tar'), NEXT);
});

/** In the native form, which works anywhere, and without mounting anything to find out. */
const snapshots = (...args: readonly string[]) =>
  overlayer(['snapshots', args[0]!, '--root', root, '--backend', 'native', ...args.slice(1)], {
    cwd: directory,
  });

/** What a command that must succeed prints. */
async function prints(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await snapshots(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** By the library: a process for each takes its time. */
async function twoLayers(): Promise<void> {
  const opened = await openSnapshotter({ root, backend: 'native' });
  await unpackSnapshot(opened, BASE, { name: 'base' });
  await unpackSnapshot(opened, NEXT, { name: 'next', parent: 'base' });
  await opened.close();
}

test('layers become snapshots, of which there are tables', async () => {
  expect(await prints('unpack', 'base.tar', '--key', 'base')).toMatch(
    /^Unpacked base\.tar into snapshot base in .*\n {2}digest {5}sha256:/,
  );
  expect(await prints('unpack', 'base.tar', '--key', 'base')).toBe(
    'Nothing to unpack: snapshot base, or its layer, was there\n',
  );
  await prints('unpack', 'next.tar', '--key', 'next', '--parent', 'base');
  await prints('prepare', 'web', 'next');
  await prints('view', 'look', 'base');
  expect(await prints('ls')).toBe(
    ['KEY    PARENT   KIND', 'base            Committed', 'look   base     View']
      .concat('next   base     Committed', 'web    next     Active', '')
      .join('\n'),
  );
  expect(await prints('tree')).toBe(
    ['KEY         KIND', 'base        Committed', ' \\_ look    View', ' \\_ next    Committed']
      .concat('   \\_ web   Active', '')
      .join('\n'),
  );
  expect(await prints('usage', 'base', 'look')).toMatch(
    /^KEY +SIZE +INODES\nbase +[\d.]+ k?B +3\nlook +0 B +0\n$/,
  );
  expect(await prints('ls', '--filter', 'kind==view', '--filter', 'name==web')).toMatch(
    /^KEY.*\nlook .*\nweb .*\n$/,
  );
});

test('everything is to be had as JSON', async () => {
  const json = async (...args: readonly string[]) => JSON.parse(await prints(...args, '--json'));
  const unpacked = await json('unpack', 'base.tar', '--key', 'base', '--digest', sha256(BASE));
  expect(unpacked).toMatchObject({ snapshot: { name: 'base' }, layer: { diffID: sha256(BASE) } });
  const [mount] = await json('prepare', 'web', 'base', '--label', 'role=web');
  expect(mount).toEqual({ type: 'bind', source: expect.stringContaining(root), options: ['rw', 'rbind'] });
  expect(await json('mounts', '/mnt', 'web')).toEqual([mount]);
  const info = await json('info', 'web');
  expect(info).toMatchObject({ kind: 'active', parent: 'base', labels: { role: 'web' } });
  expect(await json('ls')).toEqual([expect.objectContaining({ name: 'base' }), info]);
  expect(await json('tree')).toMatchObject([{ name: 'base', children: [{ name: 'web', children: [] }] }]);
  expect(await json('usage', 'base')).toEqual([{ key: 'base', bytes: expect.any(Number), inodes: 3 }]);
  expect(await json('label', 'web', 'role=', 'x=1')).toMatchObject({ labels: { x: '1' } });
  expect(await json('commit', 'image', 'web')).toMatchObject({ name: 'image', kind: 'committed' });
  expect(await json('rm', 'image', 'base')).toEqual({ removed: ['image', 'base'] });
  expect(await json('cleanup')).toEqual({ removed: [], failed: [] });
});

test('labels are shown, set, and taken away', async () => {
  await prints('prepare', 'web', '--label', 'a=1', '--label', 'b.c/d=x=y');
  await prints('label', 'web', 'a=', 'e=2');
  const info = await prints('info', 'web');
  expect(info.match(/label .*/g)).toEqual(['label      b.c/d=x=y', 'label      e=2']);
});

test('cleanup deletes directories of no snapshot', async () => {
  await twoLayers();
  mkdirSync(join(root, 'snapshots/77/fs'), { recursive: true });
  expect(await prints('cleanup')).toBe('Deleted 1 directory\n');
  expect(readdirSync(join(root, 'snapshots')).length).toBe(2);
});

describe('in one line, with its exit code', () => {
  test.each<[what: string, args: readonly string[], code: number, says: RegExp]>([
    ['a snapshot that is not there', ['info', 'none'], 5, /^overlayer: Snapshot "none" does not exist\n$/],
    ['a key that is taken', ['prepare', 'base'], 6, /^overlayer: Snapshot "base" already exists\n$/],
    ['a parent', ['rm', 'base'], 9, /^overlayer: Cannot remove snapshot "base": "next" is on it\n$/],
    ['mounts of a committed one', ['mounts', '/mnt', 'base'], 9, /^overlayer: .*: make a view of it\n$/],
    ['a filter that is none', ['ls', '--filter', '=='], 3, /^overlayer: Cannot read filter .*\n$/],
    ['another digest', ['unpack', 'base.tar', '--key', 'x', '--diff-id', sha256(NEXT)], 15, /another diffID/],
    ['no key', ['unpack', 'base.tar'], 2, /--key.*see overlayer snapshots unpack --help\n$/],
    ['a label that is none', ['label', 'base', 'x'], 3, /such as name=value; see overlayer snapshots label/],
    ['an unknown command', ['lss'], 2, /unknown command 'lss' \(Did you mean ls\?\)/],
  ])('%s', async (_, args, code, says) => {
    await twoLayers();
    const result = await snapshots(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(says);
    expect(result.stderr.trimEnd()).not.toContain('\n');
  });

  test('a mistyped root, which is not made', async () => {
    const { code, stderr } = await snapshots('ls');
    expect({ code, stderr }).toEqual({
      code: 5,
      stderr: `overlayer: There are no snapshots in "${root}": snapshots unpack or prepare makes the first one; --root or OVERLAYER_ROOT names another directory\n`,
    });
    expect(existsSync(root)).toBe(false);
  });
});

test('a hostile name is shown, not obeyed', async () => {
  await prints('prepare', 'web', '--label', 'a=\x1b[31m\u202e');
  expect(controlCharacters(await prints('info', 'web'))).toEqual([]);
});

test('a user’s snapshots are where the XDG specification says', async (context) => {
  needsProgram(context, 'setpriv');
  const data = join(directory, 'data');
  mkdirSync(data);
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  execFileSync('chown', ['-R', '65534:65534', directory]);
  const run = (env: NodeJS.ProcessEnv, ...around: readonly string[]) =>
    execFileSync(
      'setpriv',
      [...nobody, ...around, process.execPath, MAIN, 'snapshots', 'prepare', 'k', '--backend', 'native'],
      { env: { ...process.env, ...env } },
    );
  run({ XDG_DATA_HOME: data });
  run({ XDG_DATA_HOME: '', HOME: data });
  // Root in there alone: what was made outside is found.
  expect(() => run({ XDG_DATA_HOME: data }, 'unshare', '--user', '--map-root-user')).toThrow(
    'already exists',
  );
  expect(existsSync(join(data, 'overlayer/snapshots/1'))).toBe(true);
  expect(existsSync(join(data, '.local/share/overlayer/snapshots/1'))).toBe(true);
});

test.each(['overlay', 'native'])(
  '%s: mounted, written to, unmounted; and by the printed commands',
  (backend) => {
    const script = `
    overlayer() { ${process.execPath} ${MAIN} snapshots "$1" --root 'store of mine' "\${@:2}"; }
    mkdir 'a place'
    overlayer unpack base.tar --key base --backend ${backend}
    overlayer unpack next.tar --key next --parent base
    overlayer prepare web next
    overlayer mount 'a place' web
    test -e 'a place/etc/next'
    test ! -e 'a place/etc/base'
    echo text > 'a place/etc/written'
    ${process.execPath} ${MAIN} snapshots unmount 'a place'
    test ! -e 'a place/etc'
    overlayer commit final web
    overlayer view look final
    eval "$(overlayer mounts 'a place' look)"
    test "$(cat 'a place/etc/written')" = text
    fails touch 'a place/x'
    umount 'a place'
    overlayer view below base
    eval "$(overlayer mounts 'a place' below)"
    test -e 'a place/etc/base'`;
    expectScript(script, directory);
  },
);

test('in a terminal the tables are as wide as they need to be', async (context) => {
  needsProgram(context, 'tmux');
  await twoLayers();
  const terminal = new Terminal('bash --norc', directory);
  terminal.run('overlayer snapshots ls --root store; overlayer snapshots tree --root store');
  await terminal.shows(/^KEY +PARENT +KIND\nbase +Committed\nnext +base +Committed\nKEY +KIND\n/m);
  expect(terminal.screen()).toMatch(/^ \\_ next +Committed$/m);
});

test('a key of another layer is an error', async () => {
  await twoLayers();
  const { code, stderr } = await snapshots('unpack', 'next.tar', '--key', 'base');
  expect(code).toBe(6);
  expect(stderr).toContain(`Snapshot "base" already exists and has the layer ${sha256(BASE)}`);
  const missing = await snapshots('unpack', '-', '--key', 'base', '--diff-id', sha256(NEXT));
  expect(missing.code).toBe(6);
});

test.for(['native', 'overlay', 'erofs'])(
  'a mounted snapshot is not removed, unless by force: %s',
  async (backend, context) => {
    if (process.getuid?.() !== 0) return context.skip('it mounts');
    needsProgram(context, 'unshare');
    const script = `set -e

    o() { "$0" "$1" "\${@:2}"; }
    mkdir target
    o "$1" snapshots prepare --root store --backend ${backend} web >&2
    o "$1" snapshots mount --root store --backend ${backend} target web >&2
    echo data > target/file
    o "$1" snapshots rm --root store --backend ${backend} web || echo refused $?
    cat target/file
    o "$1" snapshots rm --root store --backend ${backend} --force web`;
    const { stdout, stderr } = spawnSync('unshare', ['-m', 'bash', '-c', script, process.execPath, MAIN], {
      cwd: directory,
      encoding: 'utf8',
    });
    expect(stdout).toBe('refused 9\ndata\nRemoved web\n');
    expect(stderr).toContain(`overlayer: Snapshot "web" is mounted on "${join(directory, 'target')}"`);
  },
);

test('the commands that mount a snapshot of EROFS layers work', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('it mounts');
  needsProgram(context, 'unshare');
  const script = `set -e
    o() { "$0" "$1" snapshots "$2" --root store --backend erofs "\${@:3}" >&2; }
    mkdir target
    o "$1" unpack base.tar --key base
    o "$1" unpack next.tar --key next --parent base
    o "$1" prepare web next
    "$0" "$1" snapshots mounts --root store target web > commands
    sh -e commands
    o "$1" view seen next
    "$0" "$1" snapshots mounts --root store seen-target seen > commands
    mkdir seen-target
    sh -e commands
    find target seen-target -type f`;
  const { stdout, stderr } = spawnSync('unshare', ['-m', 'bash', '-c', script, process.execPath, MAIN], {
    cwd: directory,
    encoding: 'utf8',
  });
  expect({ stdout, stderr }).toMatchObject({ stdout: 'target/etc/next\nseen-target/etc/next\n' });
});
