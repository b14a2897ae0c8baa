import { execFile, execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { archiveOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { expectScript, MAIN, needsProgram, overlayer, sha256, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

const LAYERS = [
  gzipSync(tar(dir('etc'), file('etc/base', 'base'))),
  gzipSync(tar(dir('etc'), file('etc/next', 'next'), whiteout('etc/base'))),
];
const NAME = 'docker.io/library/app:1';

/** What every test begins with: made once, by the library. */
const made = makeWorkDirectory();
const files = layoutFiles({}, LAYERS);
const index = JSON.parse(Buffer.from(files['index.json']!).toString());
index.manifests[0].annotations = { 'org.opencontainers.image.ref.name': NAME };
const layout = writeFiles(join(made, 'layout'), { ...files, 'index.json': JSON.stringify(index) });
afterAll(() => rmSync(made, { recursive: true }));

let directory: string;
let root: string;
beforeEach(() => {
  directory = temporaryDirectory();
  root = join(directory, 'store');
});

/** In the native form, which works anywhere. */
const store = (...args: readonly string[]) =>
  overlayer([...args, '--root', root, '--backend', 'native'], { cwd: directory });

/** What a command that must succeed prints. A slow machine must not make it tell of its progress. */
async function prints(command: string, ...args: readonly string[]): Promise<string> {
  const quiet = ['import', 'pull'].includes(command) ? ['--progress', 'none'] : [];
  const { code, stdout, stderr } = await store(command, ...quiet, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** By the library: a process for each takes its time. */
async function imported(): Promise<void> {
  await using opened = await openStore({ root, backend: 'native' });
  await opened.import(layout);
}

test('an image is imported, listed, tagged and taken away', async () => {
  expect(await prints('import', layout)).toMatch(
    /^Imported docker\.io\/library\/app:1 in .*\n {2}digest {5}sha256:.*\n {2}platform {3}linux\/amd64\n {2}layers {5}2\n {2}unpacked .* 5 entries\n$/,
  );
  expect(await prints('import', layout)).toMatch(/layers {5}2 \(2 already there\)\n$/);
  expect(await prints('images', 'ls')).toMatch(
    /^NAME +DIGEST +PLATFORM +UPDATED\ndocker\.io\/library\/app:1 +sha256:[0-9a-f]{12} +linux\/amd64 +20.*\n$/,
  );
  expect(await prints('images', 'check')).toMatch(/app:1 +complete +4\/4 .* 2\/2\n$/);
  expect(await prints('images', 'tag', 'app:1', 'other')).toBe(
    'Tagged app:1 as docker.io/library/other:latest\n',
  );
  expect(await prints('images', 'rm', 'app:1')).toBe(`Removed ${NAME}\nFreed 0 B: 0 blobs, 0 snapshots\n`);
  expect(await prints('images', 'rm', 'other')).toMatch(/\nFreed .*: 4 blobs, 2 snapshots\n$/);
  expect(await prints('images', 'prune')).toBe('Freed 0 B: 0 blobs, 0 snapshots\n');
});

test('everything is to be had as JSON', async () => {
  const json = async (command: string, ...args: readonly string[]) =>
    JSON.parse(await prints(command, ...args, '--json'));
  const image = { name: NAME, platform: 'linux/amd64', target: { size: expect.any(Number) } };
  expect(await json('import', layout)).toMatchObject({ images: [image], seconds: expect.any(Number) });
  expect(await json('images', 'ls')).toMatchObject([image]);
  expect(await json('images', 'tree')).toMatchObject([
    { ...image, layers: [{ chainID: expect.any(String) }, {}] },
  ]);
  expect(await json('images', 'inspect', 'app:1')).toMatchObject({
    ...image,
    config: { diffIDs: { length: 2 } },
  });
  expect(await json('images', 'usage')).toMatchObject([{ name: NAME, inodes: expect.any(Number) }]);
  expect(await json('images', 'check')).toMatchObject([
    { isComplete: true, layers: { present: 2, total: 2 } },
  ]);
  expect(await json('content', 'ls')).toHaveLength(4);
  expect(await json('content', 'verify')).toEqual(
    Array(4).fill({ digest: expect.any(String), state: 'whole' }),
  );
  expect(await json('images', 'rm', 'app:1')).toMatchObject({
    removed: [NAME],
    collected: { blobs: { length: 4 } },
  });
});

test('an archive comes through a pipe; its layers go when they are not to be kept', async () => {
  const archive = gzipSync(archiveOf({ ...files, 'index.json': JSON.stringify(index) }));
  const args = [
    'import',
    '-',
    '--progress',
    'none',
    '--discard-blobs',
    '--root',
    root,
    '--backend',
    'native',
  ];
  expect(await overlayer(args, { input: archive })).toMatchObject({ code: 0, stderr: '' });
  expect(await prints('images', 'check')).toMatch(/app:1 +incomplete +2\/4 .* 2\/2\n$/);
});

test('what is exported can be imported, and has the same digests', async () => {
  await imported();
  const before = await prints('content', 'ls', '--json');
  expect(await prints('export', 'app:1', '-o', 'image.tar')).toBe(`Exported ${NAME} to image.tar\n`);
  await prints('images', 'rm', 'app:1');
  await prints('import', 'image.tar');
  const digests = (text: string) => JSON.parse(text).map(({ digest }: { digest: string }) => digest);
  expect(digests(await prints('content', 'ls', '--json'))).toEqual(digests(before));
});

test('what the refusal to export without the layers’ blobs advises brings them back', async () => {
  await prints('import', layout, '--discard-blobs');
  const { code, stderr } = await store('export', 'app:1', '-o', 'image.tar');
  expect({ code, stderr }).toEqual({
    code: 5,
    stderr: expect.stringContaining('pull or import the image again without --discard-blobs'),
  });
  expect(await prints('import', layout)).toMatch(/already/);
  expect(await prints('export', 'app:1', '-o', 'image.tar')).toBe(`Exported ${NAME} to image.tar\n`);
});

test('an image is unpacked without a store, seen from its content', async () => {
  await imported();
  await prints('export', 'app:1', '-o', 'image.tar');
  for (const source of [layout, 'image.tar']) {
    const target = join(directory, 'rootfs');
    const { code, stdout, stderr } = await overlayer(['unpack', '--progress', 'none', source, 'rootfs'], {
      cwd: directory,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^Unpacked .* into rootfs in .*\n {2}platform {3}linux\/amd64\n {2}layers {5}2\n/);
    expect(readdirSync(join(target, 'etc'))).toEqual(['next']);
    rmSync(target, { recursive: true });
  }
});

test('a pipe or a device is exported to, and not replaced; what a file is refused for is said', async () => {
  await imported();
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const reading = promisify(execFile)('tar', ['-tf', pipe], { timeout: 60_000 });
  await prints('export', 'app:1', '-o', pipe);
  expect((await reading).stdout).toContain('oci-layout\n');
  expect(lstatSync(pipe).isFIFO()).toBe(true);
  expect(await prints('export', 'app:1', '-o', '/dev/null', '--json')).toContain('"output": "/dev/null"');
  expect(await store('export', 'app:1', '-o', '/dev/full')).toMatchObject({
    code: 8,
    stderr: expect.stringMatching(/^overlayer: Cannot write "\/dev\/full": .*ENOSPC/),
  });
  expect(await store('export', 'app:1', '-o', 'none/image.tar')).toMatchObject({ code: 5 });
  expect(readdirSync(directory).sort()).toEqual(['pipe', 'store']);
});

test('a bundle, or an image, does not go where something is, and nobody is told to merge it', async () => {
  await store('import', layout);
  mkdirSync(join(directory, 'web/rootfs/x'), { recursive: true });
  for (const args of [
    ['bundle', 'app:1', 'web'],
    ['unpack', layout, 'web'],
  ] as const) {
    const { code, stderr } = await (args[0] === 'unpack'
      ? overlayer(args, { cwd: directory })
      : store(...args));
    expect({ code, stderr }).toEqual({
      code: 9,
      stderr: expect.stringMatching(/is not empty: choose another one\n$/),
    });
  }
});

test('an image is unpacked as one EROFS file for each layer', async () => {
  const options = ['unpack', '--json', '--progress', 'none', '--target', 'erofs'];
  const { code, stdout } = await overlayer([...options, layout, 'files'], { cwd: directory });
  expect(code).toBe(0);
  const { files, target } = JSON.parse(stdout) as { files: string[]; target: string };
  expect(target).toBe('erofs');
  expect(files).toEqual([
    expect.stringMatching(/^00-[0-9a-f]{64}\.erofs$/),
    expect.stringMatching(/^01-[0-9a-f]{64}\.erofs$/),
  ]);
  for (const file of files)
    expect(await overlayer(['layer', 'verify', join(directory, 'files', file)])).toMatchObject({ code: 0 });
  rmSync(join(directory, 'files'), { recursive: true });
});

test.each([
  [['--target', 'overlay'], 'Only layers take --target overlay'],
  [['--target', 'erofs', '--merge'], 'Only layers take --merge'],
])('an image is not unpacked with %o', async (options, message) => {
  const { code, stderr } = await overlayer(['unpack', ...options, layout, 'files'], { cwd: directory });
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringContaining(message) });
  expect(existsSync(join(directory, 'files'))).toBe(false);
});

test('an option that says nothing of an image, or of a layer, is not passed over', async () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  expect(
    await overlayer(['unpack', '--dry-run', '--digest', digest, layout, 'x'], { cwd: directory }),
  ).toEqual({
    code: 3,
    stdout: '',
    stderr: `overlayer: Only layers take --dry-run, --digest: "${layout}" is no layer\n`,
  });
  writeFileSync(join(directory, 'layer'), LAYERS[0]!);
  expect(await overlayer(['unpack', '--platform', 'linux/arm64', 'layer', 'x'], { cwd: directory })).toEqual({
    code: 3,
    stdout: '',
    stderr: 'overlayer: Only images take --platform: "layer" is no image\n',
  });
  expect(readdirSync(directory)).toEqual(['layer']);
});

test('nothing at all is no blob, unless its digest or the user says so', async () => {
  const { code, stdout, stderr } = await store('content', 'ingest', 'mine');
  expect({ code, stdout }).toEqual({ code: 15, stdout: '' });
  expect(stderr).toMatch(/^overlayer: Standard input is empty: .*--allow-empty/);
  expect(await prints('content', 'ls', '-q')).toBe('');
  const empty = sha256(Buffer.alloc(0));
  for (const says of [['--allow-empty'], ['--expected-digest', empty]]) {
    expect(await prints('content', 'ingest', 'mine', ...says)).toBe(`${empty} (0 B)\n`);
    await prints('content', 'rm', empty);
  }
});

test('an image is pulled from a registry', async () => {
  const registry = await DockerRegistry.start(join(directory, 'registry'));
  try {
    await push({ location: `oci:${layout}:${NAME}` }, `${registry.host}/app:1`);
    const name = `${registry.host}/app:1`;
    expect(await prints('pull', name)).toMatch(new RegExp(`^Pulled ${name} in .*\n {2}digest `));
  } finally {
    await registry.kill();
  }
});

test('blobs of one’s own are ingested, shown, and taken away', async () => {
  const bytes = Buffer.from('a blob');
  const ingest = (...args: readonly string[]) =>
    overlayer(['content', 'ingest', 'mine', '--root', root, '--backend', 'native', ...args], {
      input: bytes,
    });
  expect(await ingest('--expected-digest', sha256(Buffer.from('other')))).toMatchObject({
    code: 9,
    stdout: '',
  });
  expect(await ingest('--expected-size', '3')).toMatchObject({ code: 8, stdout: '' });
  expect((await ingest('--expected-digest', sha256(bytes))).stdout).toBe(`${sha256(bytes)} (6 B)\n`);
  expect(await prints('content', 'get', sha256(bytes))).toBe('a blob');
  expect(await prints('content', 'rm', sha256(bytes))).toBe(`Removed ${sha256(bytes)}\n`);
});

test('mounted, to be read and to be written to', () => {
  const script = `
    overlayer() { ${process.execPath} ${MAIN} "$@" --root store; }
    mkdir place
    overlayer import ${layout} --backend overlay
    overlayer mount app:1 place
    test "$(cat place/etc/next)" = next
    test ! -e place/etc/base
    fails touch place/x
    overlayer images rm app:1
    test -e place/etc/next
    overlayer unmount place
    test ! -e place/etc
    overlayer images prune | grep -q '2 snapshots'
    overlayer import ${layout}
    overlayer mount app:1 place --rw
    echo text > place/written
    overlayer unmount place
    overlayer mount app:1 place
    test ! -e place/written
    overlayer unmount place
    fails overlayer unmount place`;
  expectScript(script, directory);
});

test.each(['overlay', 'erofs'])('the path of a root may have any characters on %s', (backend) => {
  const script = `
    root='{{ mount 0 }} }} a:b,c\\d\\:{{'
    overlayer() { ${process.execPath} ${MAIN} "$@" --root "$root"; }
    mkdir -p any-${backend}/place
    cd any-${backend}
    overlayer import ${layout} --backend ${backend}
    overlayer mount app:1 place --rw
    test "$(cat place/etc/next)" = next
    test ! -e place/etc/base
    touch place/etc/written
    overlayer commit place app:2
    overlayer unmount place
    overlayer mount app:2 place
    test -e place/etc/written
    overlayer unmount place
    overlayer snapshots check`;
  expectScript(script, directory);
});

test.each(['overlay', 'native', 'erofs'])(
  'an image of a read-only store on %s is mounted and unmounted',
  (backend) => {
    const script = `
    overlayer() { ${process.execPath} ${MAIN} "$@" --root read-only-${backend}; }
    mkdir place-${backend}
    overlayer import ${layout} --backend ${backend}
    mount --bind -o ro read-only-${backend} read-only-${backend}
    overlayer mount app:1 place-${backend}
    test "$(cat place-${backend}/etc/next)" = next
    overlayer unmount place-${backend}
    test ! -e place-${backend}/etc
    mount -t tmpfs other place-${backend}
    fails overlayer unmount place-${backend}
    mountpoint -q place-${backend}`;
    expectScript(script, directory);
  },
);

describe('in one line, with its exit code', () => {
  test.each<[what: string, args: readonly string[], code: number, says: RegExp]>([
    [
      'an image that is not there',
      ['images', 'inspect', 'none'],
      5,
      /^overlayer: Image "none" does not exist: .*\n$/,
    ],
    [
      'another platform',
      ['images', 'inspect', 'app:1', '--platform', 'linux/s390x'],
      5,
      /is not for linux\/s390x, but for linux\/amd64/,
    ],
    ['no image', ['import', MAIN], 3, /^overlayer: Cannot read .*\n$/],
    ['a user without a password', ['pull', 'app', '--username', 'me'], 2, /go together/],
    ['no registry', ['pull', '127.0.0.1:1/app'], 14, /^overlayer: .*127\.0\.0\.1:1.*\n$/],
    ['no layers at once', ['pull', 'app', '--concurrency', '0'], 3, /above 0/],
  ])('%s', async (_, args, code, says) => {
    await imported();
    const result = await store(...args);
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(says);
    expect(result.stderr.trimEnd()).not.toContain('\n');
  });

  test('a mistyped root, which is not made', async () => {
    expect(await store('images', 'ls')).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(/^overlayer: There are no images in/),
    });
    expect(existsSync(root)).toBe(false);
  });
});

test('progress as JSON has every event', async () => {
  const { stderr } = await store('import', layout, '--progress', 'json');
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events[0]).toMatchObject({ type: 'plan', name: NAME });
  expect(events.filter(({ type }) => type === 'commit').map(({ index }) => index)).toEqual([0, 1]);
});

test('on a terminal there is a line for each layer, which stays', async (context) => {
  needsProgram(context, 'tmux');
  const terminal = new Terminal('bash --norc', directory);
  terminal.run(`overlayer import ${layout} --root store --backend native`);
  await terminal.shows(/^Imported /m);
  const manifest = JSON.parse(
    readFileSync(join(layout, 'blobs', index.manifests[0].digest.replace(':', '/')), 'utf8'),
  );
  const [first, second] = manifest.layers.map(({ digest }: { digest: string }) => digest.slice(7, 19));
  expect(terminal.screen()).toMatch(new RegExp(`^${first}: done\\n${second}: done\\nImported `, 'm'));
});
