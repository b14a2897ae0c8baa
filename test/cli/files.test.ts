import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { describe, expect, onTestFinished, test } from 'vitest';
import { copyImage, openImageLayout, openRegistryTarget, openStore } from '../../src/index.js';
import { DockerRegistry } from '../helpers/docker-registry.js';
import { archiveOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { RegistryProxy } from '../helpers/registry-proxy.js';
import { dir, file, symlink, tar, whiteout } from '../helpers/tar-builder.js';
import {
  controlCharacters,
  MAIN,
  needsProgram,
  overlayer,
  sha256,
  start,
  temporaryDirectory,
} from './helpers.js';

const LAYERS = [
  tar(dir('etc'), file('etc/base', 'base'), file('etc/gone', 'gone'), symlink('link', 'etc/top')),
  tar(dir('etc'), file('etc/top', 'top'), whiteout('etc/gone'), file('etc/\x1b[2J', 'x')),
];

function makeLayout(): string {
  return writeFiles(join(temporaryDirectory(), 'layout'), layoutFiles({}, LAYERS));
}

test('cat of a file in the top layer of a registry fetches that layer alone', async (context) => {
  needsProgram(context, 'docker-registry');
  const registry = await DockerRegistry.start(join(temporaryDirectory(), 'registry'));
  onTestFinished(() => registry.kill());
  await using source = await openImageLayout(makeLayout());
  await using target = await openRegistryTarget(`${registry.host}/app:1`, { plainHTTP: true });
  await copyImage(source, target);
  const proxy = await RegistryProxy.start(registry.host, '/none', () => false);
  onTestFinished(() => proxy.close());
  const fetched = () => {
    const blobs = proxy.requests.splice(0).flatMap(({ url }) => /\/blobs\/(sha256:\w+)/.exec(url)?.[1] ?? []);
    return LAYERS.map((layer) => blobs.includes(sha256(layer)));
  };
  const cat = (path: string) => overlayer(['cat', `docker://${proxy.host}/app:1`, path, '--plain-http']);
  expect(await cat('/etc/top')).toMatchObject({ code: 0, stdout: 'top' });
  expect(fetched()).toEqual([false, true]);
  expect(await cat('etc/base')).toMatchObject({ code: 0, stdout: 'base' });
  expect(fetched()).toEqual([true, true]);
});

test('images of a store, with their blobs, without them, and as EROFS files', async () => {
  const layout = makeLayout();
  for (const [backend, keepBlobs] of [
    ['overlay', true],
    ['erofs', false],
  ] as const) {
    const root = temporaryDirectory();
    const store = await openStore({ root, backend });
    await store.import(layout, { name: 'app:1', keepBlobs });
    await store.close();
    const run = (...args: readonly string[]) => overlayer([...args, '--root', root]);
    expect(await run('cat', 'app:1', '/link')).toMatchObject({ code: 0, stdout: 'top' });
    expect((await run('files', 'store:app:1')).stdout).toMatch(/ 1 +\/?etc\/top$/m);
    expect(JSON.parse((await run('explore', 'app:1', '--json')).stdout)).toMatchObject({ entries: 5 });
  }
});

test('an overlay store without blobs says how to get them', async () => {
  const root = temporaryDirectory();
  const store = await openStore({ root, backend: 'overlay' });
  await store.import(makeLayout(), { name: 'app:1', keepBlobs: false });
  await store.close();
  const { code, stdout, stderr } = await overlayer(['cat', 'app:1', 'etc/top', '--root', root]);
  expect({ code, stdout }).toEqual({ code: 5, stdout: '' });
  expect(stderr).toMatch(/blob|layer/i);
});

test('files lists the tree with the layer of each, and names are escaped', async () => {
  const layout = makeLayout();
  const { stdout, code } = await overlayer(['files', layout]);
  expect(code).toBe(0);
  expect(controlCharacters(stdout)).toEqual([]);
  expect(stdout).toContain('\\x1b[2J');
  expect(stdout).not.toContain('gone');
  expect((await overlayer(['files', layout, '--history', 'etc/gone'])).stdout).toMatch(/layer +1 +D +file/);
  expect((await overlayer(['files', layout, '--layer', '0'])).stdout).toContain('gone');
});

test('a damaged layer prints nothing', async () => {
  const layout = makeLayout();
  const top = sha256(LAYERS[1]!).slice('sha256:'.length);
  writeFileSync(join(layout, 'blobs/sha256', top), tar(dir('etc'), file('etc/top', 'evil')));
  const { code, stdout } = await overlayer(['cat', layout, 'etc/top']);
  expect({ code, stdout }).toEqual({ code: 15, stdout: '' });
});

/** What looks into an image, without the image, and what it prints. */
const LOOKS = [
  ['files', [], /etc\/top$/m],
  ['cat', ['etc/top'], /^top$/],
  ['explore', [], /^Layers/m],
  ['explore', ['--json'], /"fileBytes"/],
] as const;

describe.each(LOOKS)('%s %j', (command, args, output) => {
  test('ends quietly when its reader does', async () => {
    const child = start([command, makeLayout(), ...args]);
    child.stdout!.destroy();
    const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
  });

  test('fails on a full disk', async () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => closeSync(full));
    const child = start([command, makeLayout(), ...args], { stdio: ['ignore', full, 'pipe'] });
    const [errors, [code]] = await Promise.all([text(child.stderr!), once(child, 'close')]);
    expect({ code, errors }).toEqual({
      code: 8,
      errors: 'overlayer: Cannot write to standard output (ENOSPC)\n',
    });
  });

  test('reads an image and a layer from standard input', async () => {
    const archive = archiveOf(layoutFiles({}, LAYERS));
    for (const input of [archive, gzipSync(LAYERS[1]!)]) {
      const { code, stdout } = await overlayer([command, '-', ...args], { input });
      expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(output) });
    }
  });

  test('needs no root, and says which store it may not read', (context) => {
    needsProgram(context, 'setpriv');
    if (process.getuid?.() !== 0) return context.skip('it takes another user');
    const directory = temporaryDirectory();
    chmodSync(directory, 0o755);
    writeFileSync(join(directory, 'image.tar'), archiveOf(layoutFiles({}, LAYERS)));
    mkdirSync(join(directory, 'store'), { mode: 0o700 });
    const asNobody = (image: string) =>
      spawnSync(
        'setpriv',
        [
          ...['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, MAIN],
          ...[command, image, ...args, '--root', 'store'],
        ],
        { cwd: directory, encoding: 'utf8' },
      );
    expect(asNobody('image.tar')).toMatchObject({ status: 0, stdout: expect.stringMatching(output) });
    expect(asNobody('app:1')).toMatchObject({
      status: 7,
      stderr: expect.stringMatching(/Cannot look into .*store.*EACCES/),
    });
  });
});
