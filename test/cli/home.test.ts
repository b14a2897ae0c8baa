import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAIN, tarOf, temporaryDirectory } from './helpers.js';

// Containers run as users that are not in /etc/passwd, and services with an empty HOME.

const UNKNOWN = 54_321;
const NO_XDG = {
  XDG_DATA_HOME: undefined,
  XDG_CACHE_HOME: undefined,
  XDG_CONFIG_HOME: undefined,
  XDG_RUNTIME_DIR: undefined,
  OVERLAYER_ROOT: undefined,
  NODE_DISABLE_COMPILE_CACHE: undefined,
};
const LAYER = await tarOf({ name: 'file', content: 'x' });

function run(cwd: string, env: NodeJS.ProcessEnv, user: { uid?: number; gid?: number }, ...args: string[]) {
  const options = { cwd, ...user, env: { ...process.env, ...NO_XDG, ...env }, encoding: 'utf8' } as const;
  return spawnSync(process.execPath, [MAIN, ...args], options);
}

test.for<[string, NodeJS.ProcessEnv]>([
  ['no HOME and no entry in /etc/passwd', { HOME: undefined }],
  ['an empty HOME', { HOME: '' }],
  ['a relative HOME', { HOME: 'home' }],
])('a user with %s needs --root, and no more', ([, env], context) => {
  if (process.geteuid!() !== 0) return context.skip('it takes another user');
  const directory = temporaryDirectory();
  chmodSync(directory, 0o777);
  writeFileSync(join(directory, 'layer.tar'), LAYER);
  const as = (...args: string[]) => run(directory, env, { uid: UNKNOWN, gid: UNKNOWN }, ...args);

  const { status, stderr } = as('images', 'ls');
  expect([status, stderr]).toEqual([
    9,
    expect.stringMatching(/^overlayer: There is no default for --root: .*HOME\n$/),
  ]);
  const unpacked = as(
    'snapshots',
    'unpack',
    'layer.tar',
    '--key',
    'k',
    '--backend',
    'native',
    '--root',
    'store',
  );
  expect([unpacked.status, unpacked.stderr]).toEqual([0, '']);
  // Nothing listens on port 1: the configuration of registries was read, and none was found.
  const pulled = as('pull', 'localhost:1/x', '--root', 'store');
  expect([pulled.status, pulled.stderr]).toEqual([
    14,
    expect.stringMatching(/^overlayer: Cannot get .*ECONNREFUSED/),
  ]);
  expect(readdirSync(directory).sort()).toEqual(['layer.tar', 'store']);
});

test('files of the working directory are not those of a user with an empty HOME', () => {
  const directory = temporaryDirectory();
  for (const [path, text] of [
    ['.docker/config.json', 'not JSON'],
    ['.config/containers/auth.json', 'not JSON'],
    ['relative/containers/auth.json', 'not JSON'],
    ['.config/docker/certs.d/localhost:1/hosts.toml', 'not TOML'],
    ['relative/docker/certs.d/localhost:1/hosts.toml', 'not TOML'],
  ] as const) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  for (const XDG_CONFIG_HOME of [undefined, 'relative']) {
    const env = { HOME: '', XDG_CONFIG_HOME, XDG_RUNTIME_DIR: 'relative' };
    const { stderr } = run(directory, env, {}, 'pull', 'localhost:1/x', '--root', join(directory, 'store'));
    expect(stderr).toMatch(/^overlayer: Cannot get an answer from localhost:1: .*ECONNREFUSED/);
  }
  expect(readdirSync(directory)).not.toContain('.cache');
});
