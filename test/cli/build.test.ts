import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { MAIN, overlayer } from './helpers.js';

// The commands that make an image of another one.

const work = makeWorkDirectory();
const tree = join(work, 'tree');
const root = join(work, 'store');
const run = (...args: readonly string[]) =>
  overlayer([...args, '--root', root, '--backend', 'native'], { env: { ...process.env, FROM_HERE: 'here' } });
const make = (...args: readonly string[]) => run(...args, '--progress', 'none');
const configOf = async (image: string) =>
  JSON.parse((await run('images', 'inspect', image, '--json')).stdout).config;

beforeAll(() => {
  mkdirSync(tree);
  writeFileSync(join(tree, 'file'), 'one');
  const given = ['--cmd', '["/file"]', '--env', 'OLD=1', '--root', root, '--backend', 'native'];
  execFileSync(process.execPath, [MAIN, 'append', 'scratch', tree, '-t', 'base', ...given], {
    stdio: 'ignore',
  });
});
afterAll(() => rmSync(work, { recursive: true }));

test('the error of one of several layers names it', async () => {
  const damaged = join(work, 'damaged.tar');
  writeFileSync(damaged, 'no tar');
  const { code, stderr } = await make('append', 'base', tree, damaged, tree, '-t', 'new');
  expect([code, stderr]).toEqual([
    15,
    expect.stringMatching(`^overlayer: Layer "${damaged}": .*not a tar archive`),
  ]);
});

test('options change the config; a text is a line for the shell, and an empty one removes', async () => {
  const given = [
    '--entrypoint',
    'exec /file',
    '--cmd',
    '',
    '--env',
    'A=1=2',
    '--env',
    'FROM_HERE',
    '--env-rm',
    'OLD',
  ];
  const more = ['--expose', '80', '--label', 'a=b', '--annotation', 'x=y', '--set-platform', 'linux/arm/v7'];
  const { code, stdout, stderr } = await make(
    'config',
    'base',
    '-t',
    'new:1',
    ...given,
    ...more,
    '-m',
    'why',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /^Made docker\.io\/library\/new:1 in .*\n {2}digest .*\n {2}platform +linux\/arm\/v7\n/,
  );
  expect(await configOf('new:1')).toMatchObject({
    platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
    process: {
      entrypoint: ['/bin/sh', '-c', 'exec /file'],
      cmd: [],
      env: ['A=1=2', 'FROM_HERE=here'],
      labels: { a: 'b' },
      exposedPorts: ['80/tcp'],
    },
    history: [
      { createdBy: 'overlayer append' },
      { createdBy: 'overlayer config', comment: 'why', emptyLayer: true },
    ],
  });
});

describe('an error names the option:', () => {
  test.each<[args: readonly string[], message: string]>([
    [['--workdir', 'srv'], 'overlayer: --workdir: "srv" is not an absolute path'],
    [['--expose', '99999'], 'overlayer: --expose: "99999" is not a port'],
    [['--volume', 'data'], 'overlayer: --volume: "data" is not an absolute path'],
    [['--volume', 'volumes'], 'overlayer: --volume: "volumes" is not an absolute path'],
    [['--stop-signal', 'x!'], 'overlayer: --stop-signal: "x!" is not a signal'],
    [['--cmd', '["a"'], "option '--cmd <COMMAND>' argument '[\"a\"' is invalid"],
    [['--env', 'NOT_SET_HERE'], "option '--env <NAME=VALUE>' argument 'NOT_SET_HERE' is invalid"],
    [['--set-platform', 'a/b/c/d'], 'Not a platform: "a/b/c/d"'],
  ])('%j', async (args, message) => {
    const { code, stderr } = await make('config', 'base', '-t', 'wrong', ...args);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
  });
});

test('images are compared by the letters of docker diff', async () => {
  writeFileSync(join(tree, 'file'), 'three');
  writeFileSync(join(tree, 'more'), 'x');
  await make('append', 'base', tree, '-t', 'next');
  const { stdout } = await run('images', 'diff', 'base', 'next');
  expect(stdout.replace(/ +/g, ' ')).toBe(
    ' SIZE PATH\nC +2 B /file\nA +1 B /more\n1 entry added, 1 changed, 0 removed: +3 B\n',
  );
});

test('what is committed has to be mounted, or a snapshot', async () => {
  const { code, stderr } = await make('commit', work, 'x');
  expect({ code, stderr }).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('no image is mounted there'),
  });
});
