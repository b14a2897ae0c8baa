import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { archiveOf, layoutFiles } from '../helpers/hand-made-image.js';
import { file, tar, whiteout } from '../helpers/tar-builder.js';
import { checkTypes, isRoot, makeClone, REPOSITORY, readPage, runIn } from './clone.js';

const FIRST = 'fixtures/image-layers/buildah-1.tar.gz';
const programs = readdirSync(join(REPOSITORY, 'examples')).filter((name) => name.endsWith('.mjs'));

function newClone(): string {
  const clone = makeClone();
  onTestFinished(() => rmSync(clone, { recursive: true, force: true }));
  return clone;
}

function run(clone: string, name: string, ...args: readonly string[]): Promise<string> {
  return runIn(clone, process.execPath, [join('examples', name), ...args]);
}

/** Starts a program that runs until it is stopped. @returns the first line that matches */
async function start(clone: string, name: string, wanted: RegExp, ...args: readonly string[]) {
  const child = spawn(process.execPath, [join('examples', name), ...args], { cwd: clone });
  onTestFinished(() => void child.kill('SIGKILL'));
  const closed = once(child, 'close');
  for await (const line of createInterface(child.stdout)) {
    const match = wanted.exec(line);
    if (match === null) continue;
    child.stdout.resume();
    const stop = async () => {
      child.kill('SIGTERM');
      return (await closed)[0] as number | null;
    };
    return { match, stop };
  }
  throw new Error(`${name} ended without ${wanted}`);
}

test('have the right types', async () => {
  const files = programs.map((name) => join('examples', name));
  await checkTypes(newClone(), files);
});

test('are listed, each with what it does', () => {
  const list = readPage('examples/README.md');
  for (const name of programs) expect(list).toContain(`[${name}](${name})`);
});

test('unpack-layer.mjs', async () => {
  const clone = newClone();
  expect(await run(clone, 'unpack-layer.mjs')).toMatch(/entries, .* diffID sha256:/);
  expect(existsSync(join(clone, 'unpacked/bin/mount'))).toBe(true);
  await expect(run(clone, 'unpack-layer.mjs')).rejects.toThrow('FailedPrecondition');
});

test('audit-layer.mjs', async () => {
  const listing = await run(newClone(), 'audit-layer.mjs');
  expect(listing).toContain('4755 bin/mount');
  expect(listing).toContain('whiteout etc/motd');
  expect(listing).toContain('opaque var/lib');
});

test('find-secrets.mjs', async () => {
  const clone = newClone();
  const key = '-----BEGIN OPENSSH PRIVATE KEY-----';
  const layers = [
    tar(file('root/.npmrc', '//registry/:_authToken=abc'), file('root/.ssh/id\u001b[2J', key)),
    tar(whiteout('root/.npmrc'), file('etc/aws', `key = AKIA${'A'.repeat(16)}`)),
  ];
  writeFileSync(join(clone, 'image.tar'), archiveOf(layoutFiles({}, layers)));
  expect((await run(clone, 'find-secrets.mjs', 'image.tar')).trimEnd().split('\n')).toEqual([
    '1 layer 1: key of AWS in etc/aws',
    '2 layer 0: private key in root/.ssh/id\\x1b[2J',
    '2 secrets',
  ]);
});

test('upload-server.mjs', async () => {
  const clone = newClone();
  const { match, stop } = await start(clone, 'upload-server.mjs', /^http.*/, 'uploads', '0');
  const upload = (name: string, body: Uint8Array) => fetch(`${match[0]}/${name}`, { method: 'POST', body });
  const layer = readFileSync(join(clone, FIRST));
  expect((await upload('base', layer)).status).toBe(201);
  expect(readFileSync(join(clone, 'uploads/base/kept/file'), 'utf8')).toBe('kept\n');
  expect((await upload('base', layer)).status).toBe(409);
  expect((await upload('damaged', layer.subarray(0, 100))).status).toBe(400);
  expect((await upload('Not+a+name', layer)).status).toBe(404);
  // 300 MB of zeros, as 300 kB: more than the ratio allows.
  const bomb = gzipSync(Buffer.alloc(300_000_000), { level: 9 });
  expect((await upload('bomb', bomb)).status).toBe(413);
  expect(await stop()).toBe(0);
});

test('pull-and-mount.mjs', async ({ skip }) => {
  if (!isRoot) return skip('mounting needs root');
  const clone = newClone();
  const registry = await DockerRegistry.start(join(clone, 'registry'));
  onTestFinished(() => registry.kill());
  const location = `oci-archive:${join(clone, 'fixtures/image.tar')}`;
  await push({ location }, `${registry.host}/sample:1`);
  for (const image of [`${registry.host}/sample:1`, 'fixtures/image.tar'])
    expect(await run(clone, 'pull-and-mount.mjs', image)).toContain("mounted: [ 'kept', 'replaced' ]");
});

test('verifier.mjs', async () => {
  const output = await run(newClone(), 'verifier.mjs');
  expect(output).toContain('accepted docker.io/library/sample:1');
  expect(output).toContain('refused: ');
});

test('snapshots.mjs', async ({ skip }) => {
  if (!isRoot) return skip('mounting needs root');
  const output = await run(newClone(), 'snapshots.mjs');
  expect(output).toMatch(/^committed with-hello layer-1$/m);
  expect(output).toContain('0 findings');
});

test('layer-file.mjs', async () => {
  const clone = newClone();
  const output = await run(clone, 'layer-file.mjs');
  expect(output).toContain('123 entries');
  if (isRoot) expect(output).toMatch(/^mounted: \[.*'bin'/ms);
  const archive = gunzipSync(readFileSync(join(clone, 'fixtures/layer.tar.gz')));
  expect(readFileSync(join(clone, 'layer.erofs.tar')).equals(archive)).toBe(true);
});

test('make-layer.mjs', async () => {
  const clone = newClone();
  const first = await run(clone, 'make-layer.mjs', FIRST.replace(/[^/]+$/, ''), 'layer.tar.gz');
  expect(await run(clone, 'make-layer.mjs', FIRST.replace(/[^/]+$/, ''), 'layer.tar.gz')).toBe(first);
});

test('daemon.mjs', async ({ skip }) => {
  if (!isRoot) return skip('it mounts to find out what overlayfs can do');
  const clone = newClone();
  const { match, stop } = await start(clone, 'daemon.mjs', /http:.*metrics/);
  expect(await (await fetch(match[0])).text()).toContain('overlayer_');
  expect(await stop()).toBe(0);
});
