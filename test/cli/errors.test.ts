import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import type { Command } from 'commander';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { ANSWERS } from '../../src/cli/known-elsewhere.js';
import { createProgram } from '../../src/cli/program.js';
import {
  controlCharacters,
  MAIN,
  needsProgram,
  overlayer,
  sha256,
  start,
  tarOf,
  temporaryDirectory,
} from './helpers.js';

const LAYER = await tarOf(
  { name: 'etc/', type: 'directory' },
  { name: 'etc/motd', content: 'x'.repeat(5000) },
);
const OTHER_DIGEST = sha256(Buffer.from('something else'));

interface Case {
  readonly what: string;
  readonly input?: Uint8Array;
  readonly args?: readonly string[];
  readonly code: number;
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  {
    what: 'a digest that is none',
    args: ['--digest', 'md5:1'],
    code: 3,
    says: /^overlayer: Not a digest: "md5:1": a digest is sha256:/,
  },
  {
    what: 'bytes that are no archive',
    input: Buffer.alloc(2048, 'no tar '),
    code: 3,
    says: /\(.*offset 0\)/,
  },
  {
    what: 'too many entries',
    args: ['--max-entries', '1'],
    code: 8,
    says: /--max-entries of 1 .*raise --max-entries/,
  },
  {
    what: 'too many bytes',
    args: ['--max-bytes', '4K'],
    code: 8,
    says: /--max-bytes of 4096 .*raise --max-bytes/,
  },
  { what: 'xz', input: Buffer.from('fd377a585a000004e6d6b446', 'hex'), code: 12, says: /xz/ },
  {
    what: 'a truncated archive',
    input: LAYER.subarray(0, 2000),
    code: 15,
    says: /"etc\/motd".* \(offset 512\)/,
  },
  { what: 'a truncated gzip', input: gzipSync(LAYER).subarray(0, -20), code: 15, says: /gzip/ },
  { what: 'the wrong digest', args: ['--digest', OTHER_DIGEST], code: 15, says: new RegExp(sha256(LAYER)) },
  { what: 'the wrong diffID', args: ['--diff-id', OTHER_DIGEST], code: 15, says: new RegExp(sha256(LAYER)) },
];

describe.each(cases)('$what', ({ input = LAYER, args = [], code, says }) => {
  it(`ends with ${code}, one line and nothing written`, async () => {
    const directory = temporaryDirectory();
    const result = await overlayer(['unpack', ...args, '-', join(directory, 'rootfs')], { input });
    expect(result).toMatchObject({ code, stdout: '' });
    expect(result.stderr).toMatch(/^overlayer: .+\n$/);
    expect(result.stderr).toMatch(says);
    expect(readdirSync(directory)).toEqual([]);
  });
});

test('a layer that does not exist', async () => {
  const directory = temporaryDirectory();
  const result = await overlayer(['unpack', join(directory, 'none.tar'), join(directory, 'rootfs')]);
  expect(result).toMatchObject({
    code: 5,
    stdout: '',
    stderr: expect.stringMatching(/^overlayer: .*none\.tar.*\n$/),
  });
  expect(readdirSync(directory)).toEqual([]);
});

test('a directory that is no layout has no listing', async () => {
  const result = await overlayer(['inspect', temporaryDirectory()]);
  expect(result).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringMatching(/^overlayer: .*Not an OCI layout, which has a file oci-layout\n$/),
  });
});

test('a destination that is not empty', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'precious'), '');
  const result = await overlayer(['unpack', '-', directory], { input: LAYER });
  expect(result).toMatchObject({ code: 9, stderr: expect.stringMatching(/^overlayer: .*--merge.*\n$/) });
  expect(readdirSync(directory)).toEqual(['precious']);
});

test('a directory that may not be written', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('needs root, to become nobody');
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  const result = await overlayer(['unpack', '-', join(directory, 'rootfs')], {
    input: LAYER,
    uid: 65534,
    gid: 65534,
  });
  expect(result).toMatchObject({ code: 7, stderr: expect.stringMatching(/^overlayer: .+\n$/) });
});

test('a failed merge says what stays', async () => {
  const dest = join(temporaryDirectory(), 'rootfs');
  mkdirSync(dest);
  writeFileSync(join(dest, 'old'), '');
  const result = await overlayer(['unpack', '--merge', '-', dest], { input: LAYER.subarray(0, 2000) });
  expect(result.code).toBe(15);
  expect(result.stderr).toMatch(/^overlayer: .*; ".*rootfs" keeps what was written to it until then\n$/);
  expect(readdirSync(dest)).toContain('old');
});

test('a failed merge into an empty directory leaves it empty', async () => {
  const dest = join(temporaryDirectory(), 'rootfs');
  mkdirSync(dest);
  const result = await overlayer(['unpack', '--merge', '-', dest], { input: LAYER.subarray(0, 2000) });
  expect(result.stderr).toMatch(/^overlayer: .+\n$/);
  expect(result.stderr).not.toContain('keeps');
  expect(readdirSync(dest)).toEqual([]);
});

test('a hostile name is not obeyed in an error', async () => {
  const input = (await tarOf({ name: 'a\x1b[2J\nb', content: 'x'.repeat(5000) })).subarray(0, 2000);
  const { stderr } = await overlayer(['unpack', '-', join(temporaryDirectory(), 'rootfs')], { input });
  expect(stderr).toMatch(/^overlayer: .*a\\x1b\[2J\\x0ab.*\n$/);
  expect(controlCharacters(stderr)).toEqual([]);
});

test('an error is JSON where progress is', async () => {
  const args = [
    'unpack',
    '--progress',
    'json',
    '--digest',
    OTHER_DIGEST,
    '-',
    join(temporaryDirectory(), 'rootfs'),
  ];
  const { stderr } = await overlayer(args, { input: LAYER });
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.at(-1)).toMatchObject({
    type: 'error',
    code: 'DataLoss',
    expected: OTHER_DIGEST,
    actual: sha256(LAYER),
  });
});

test('a stack trace is for those who ask', async () => {
  const { stderr } = await overlayer(['inspect', '/nonexistent'], {
    env: { ...process.env, OVERLAYER_DEBUG: '1' },
  });
  expect(stderr).toMatch(/^overlayer: .*\n.*OverlayerError: .*\n +at /);
});

describe.each([
  [['unpak'], /unknown command 'unpak' \(Did you mean unpack\?\); see overlayer --help/],
  [['unpack', 'layer'], /missing required argument 'DEST'; see overlayer unpack --help/],
  [['unpack', 'layer', 'dest', 'more'], /too many arguments/],
  [['unpack', 'layer', 'dest', '--merg'], /unknown option '--merg' \(Did you mean --merge\?\)/],
])('wrong usage: %j', (args, says) => {
  it('ends with 2 and says why', async () => {
    const result = await overlayer(args);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toMatch(/^overlayer: .+\n$/);
    expect(result.stderr).toMatch(says);
  });
});

describe.each([
  [['unpack', 'layer', 'dest', '--target', 'docker'], /Allowed choices are directory, overlay/],
  [['unpack', 'layer', 'dest', '--max-bytes', '12Q'], /should be a size such as 4096, 10M or 2GiB/],
  [['snapshots', 'prepare', 'web', '--label', 'x'], /should be a label such as name=value/],
  [['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/],
  [['inspect', 'docker://debian:12', '--platform', 'a/b/c/d'], /Not a platform/],
])('an invalid value: %j', (args, says) => {
  it('ends with 3 and says why', async () => {
    const result = await overlayer(args);
    expect(result).toMatchObject({ code: 3, stdout: '' });
    expect(result.stderr).toMatch(/^overlayer: .+\n$/);
    expect(result.stderr).toMatch(says);
  });
});

test('a full disk under standard output is no success', async () => {
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const child = start(['inspect', '-'], { stdio: ['pipe', full, 'pipe'] });
  child.stdin!.end(LAYER);
  const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  expect(errors).toBe('overlayer: Cannot write to standard output (ENOSPC)\n');
  expect(code).toBe(8);
});

describe('with --json', () => {
  test.each([
    [['unpack', '/none.tar', '/tmp/none'], 5, 'NotFound'],
    [['inspect', '/none.tar'], 5, 'NotFound'],
    [['unpack', '--dry-run', '/none.tar', '/tmp/none'], 5, 'NotFound'],
    [['images', 'ls', '--root', '/none'], 5, 'NotFound'],
    [['snapshots', 'ls', '--root', '/none'], 5, 'NotFound'],
    [['snapshots', 'check', '--root', '/none'], 5, 'NotFound'],
    [['content', 'leases', 'ls', '--root', '/none'], 5, 'NotFound'],
    [['diff', '/none', '/none', '-o', '/none/layer.tar'], 5, 'NotFound'],
    [['save', 'app'], 2, 'InvalidArgument'],
    [['images', 'ls', '--forse'], 2, 'InvalidArgument'],
  ])('a failure of %j is a document on standard error', async (args, exit, code) => {
    const { code: status, stderr } = await overlayer([...args, '--json']);
    expect(status).toBe(exit);
    expect(JSON.parse(stderr)).toMatchObject({ type: 'error', code, message: expect.any(String) });
  });
});

test.each([
  [
    ['save', 'app'],
    /^overlayer: unknown command 'save': overlayer export does that; see overlayer --help\n$/,
  ],
  [['images', 'pull', 'app'], /'pull': overlayer pull does that; see overlayer images --help\n$/],
  [['snapshots', 'list'], /'list': overlayer snapshots ls does that/],
  [['content', 'fetch', 'app'], /'fetch': overlayer pull does that/],
])('%j: the words of docker and ctr are answered with those of overlayer', async (args, says) => {
  const { code, stderr } = await overlayer(args);
  expect(code).toBe(2);
  expect(stderr).toMatch(says);
});

test('every answer to a word of others is a command', async () => {
  const known = new Map<string, Command>();
  const add = (command: Command, name: string): void => {
    known.set(name, command);
    for (const each of command.commands) add(each, `${name} ${each.name()}`);
  };
  add(await createProgram('1'), 'overlayer');
  for (const [parent, words] of Object.entries(ANSWERS))
    for (const [word, answer] of Object.entries(words)) {
      expect(known.has(`${parent} ${word}`), `${parent} ${word} is a command itself`).toBe(false);
      for (const command of answer.split(/, and then .*|, or |, | or /).filter((text) => text !== ''))
        expect(known.has(`overlayer ${command}`), command).toBe(true);
    }
});

describe('what is not valid UTF-8 is refused, before anything is written', () => {
  /** By a shell: what Node starts gets strings. */
  const inShell = (script: string, cwd: string) =>
    spawnSync('bash', ['-c', script, process.execPath, MAIN], { cwd, encoding: 'utf8' });

  test.each([
    [
      'an argument',
      `"$0" "$1" unpack layer.tar $'caf\\xe9'`,
      /^overlayer: The argument "caf.*" is not valid UTF-8/,
    ],
    [
      'a variable',
      `OVERLAYER_ROOT=$'/tmp/\\xe9' "$0" "$1" images ls`,
      /^overlayer: The variable OVERLAYER_ROOT is not valid UTF-8/,
    ],
    [
      'the working directory',
      `mkdir $'d\\xe9' && cd $'d\\xe9' && "$0" "$1" unpack ../layer.tar rootfs`,
      /^overlayer: The name of the working directory "/,
    ],
  ])('%s', (_, script, says) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'layer.tar'), LAYER);
    const { status, stderr } = inShell(script, directory);
    expect(stderr).toMatch(says);
    expect(status).toBe(2);
    expect(readdirSync(directory).filter((name) => !/^layer\.tar$|^d/.test(name))).toEqual([]);
  });

  test('but U+FFFD itself is a character as any other', () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'layer.tar'), LAYER);
    expect(inShell('"$0" "$1" unpack --progress none layer.tar caf\ufffd', directory).status).toBe(0);
    expect(readdirSync(directory)).toContain('caf\ufffd');
  });
});

test('a layer that one may not read is no defect of overlayer', async (context) => {
  needsProgram(context, 'setpriv');
  if (process.getuid?.() !== 0) return context.skip('it takes another user');
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'closed'), { mode: 0o700 });
  writeFileSync(join(directory, 'closed/layer.tar'), LAYER);
  chmodSync(directory, 0o755);
  for (const args of [
    ['unpack', 'closed/layer.tar', '/tmp/none'],
    ['inspect', 'closed/layer.tar'],
  ]) {
    const { status, stderr } = spawnSync(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, MAIN, ...args],
      { cwd: directory, encoding: 'utf8' },
    );
    expect(stderr).toMatch(/^overlayer: .*"closed\/layer\.tar".*EACCES/);
    expect(status).toBe(7);
  }
});

test('a store that one may not read is not called empty', async (context) => {
  needsProgram(context, 'setpriv');
  if (process.getuid?.() !== 0) return context.skip('it takes another user');
  const directory = temporaryDirectory();
  chmodSync(directory, 0o755);
  const root = join(directory, 'store');
  mkdirSync(join(root, 'snapshots'), { recursive: true, mode: 0o700 });
  chmodSync(root, 0o700);
  for (const group of ['images', 'snapshots', 'content']) {
    const { status, stderr } = spawnSync(
      'setpriv',
      [
        '--reuid=65534',
        '--regid=65534',
        '--clear-groups',
        process.execPath,
        MAIN,
        group,
        'ls',
        '--root',
        root,
      ],
      { encoding: 'utf8' },
    );
    expect(stderr).toMatch(/^overlayer: Cannot look into ".*store": EACCES\n$/);
    expect(status).toBe(7);
  }
});

test.each<[string, string[], string, number, RegExp]>([
  [
    'an import of nothing',
    ['import', '-'],
    '',
    15,
    /^overlayer: Standard input is empty: the command before the pipe/,
  ],
  [
    'text',
    ['inspect', '-'],
    'hello\n',
    15,
    /it has 6 bytes, less than one header .* begins with the text "hello\\n";/,
  ],
  [
    'a reference',
    ['unpack', 'debian:12', 'x'],
    '',
    5,
    /"debian:12" does not exist: .* docker:\/\/debian:12\n$/,
  ],
  [
    'a layer at a URL',
    ['unpack', 'https://example.org/layer.tar', 'x'],
    '',
    3,
    /"https:\/\/example\.org\/layer\.tar": it is not a file: download it to standard input .*curl -L/,
  ],
  ['docker:// before a reference', ['pull', 'docker://127.0.0.1:1/x'], '', 14, /127\.0\.0\.1:1/],
  [
    'no hosts',
    ['pull', 'x', '--hosts-dir', '/none'],
    '',
    5,
    /^overlayer: Cannot use --hosts-dir "\/none": ENOENT/,
  ],
])('%s: the error names the reason', async (_, args, input, code, says) => {
  const cwd = temporaryDirectory();
  const env = { ...process.env, OVERLAYER_ROOT: join(cwd, 'store') };
  const result = await overlayer(args, { cwd, env, input: Buffer.from(input) });
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toMatch(says);
});
