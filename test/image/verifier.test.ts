import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ImageVerifier, type VerifyImageOptions, verifyImage } from '../../src/index.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { within } from '../helpers/within.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const NAME = 'docker.io/library/debian:12';
const TARGET: Descriptor = {
  mediaType: 'application/vnd.oci.image.index.v1+json',
  digest: `sha256:${'0123456789abcdef'.repeat(4)}`,
  size: 1234,
  annotations: { a: '<b>' },
  platform: { os: 'linux', architecture: 'arm', variant: 'v7', osVersion: '1' },
};

let root: string;
let directory: string;
beforeEach(() => {
  root = makeWorkDirectory();
  directory = join(root, 'bin');
  mkdirSync(directory);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(name: string, script: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
}

async function verify(options: VerifyImageOptions = {}) {
  return await verifyImage(NAME, TARGET, { directory, ...options });
}

/** Gone, or dead and not asked for by its parent. */
function hasEnded(pid: number): boolean {
  try {
    return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
}

test('a verifier is told the name, the digest and the descriptor, as containerd does', async () => {
  write('see', `printf '%s\\n' "$@" >${root}/args; cat >${root}/stdin`);
  await verify();
  expect(readFileSync(join(root, 'args'), 'utf8').split('\n')).toEqual([
    ...['-name', NAME, '-digest', TARGET.digest],
    ...['-stdin-media-type', 'application/vnd.oci.descriptor.v1+json', ''],
  ]);
  const stdin = readFileSync(join(root, 'stdin'), 'utf8');
  expect(stdin.endsWith('\n')).toBe(true);
  expect(JSON.parse(stdin)).toEqual({
    ...TARGET,
    platform: { os: 'linux', architecture: 'arm', variant: 'v7', 'os.version': '1' },
  });
});

describe('the judgement', () => {
  test('of all that agree: their reasons, in the order of their names', async () => {
    write('b', 'echo second');
    write('a', 'echo first');
    write('ä', 'echo');
    write('Z', 'echo " capitals first "');
    expect(await verify()).toEqual({
      ok: true,
      reason: 'Z => capitals first, a => first, b => second, ä => ',
    });
  });

  test('of one that does not: its own, and no further one is asked', async () => {
    write('a', 'echo fine');
    write('b', 'echo no signature; exit 3');
    write('c', `touch ${root}/asked`);
    expect(await verify()).toEqual({
      ok: false,
      reason: 'verifier b rejected image (exit code 3): no signature',
    });
    expect(() => readFileSync(join(root, 'asked'))).toThrow('ENOENT');
  });

  test('of none', async () => {
    expect(await verify()).toEqual({ ok: true, reason: `no image verifier binaries found in ${directory}` });
    const missing = join(root, 'missing');
    const reason = `image verifier directory ${missing} does not exist`;
    expect(await verify({ directory: missing })).toEqual({ ok: true, reason });
  });

  test.each([
    [0, ''],
    [1, 'a => '],
    [2, 'a => , b => '],
    [-1, 'a => , b => , c => '],
  ])('of %i at most', async (maxVerifiers, reason) => {
    for (const name of ['a', 'b', 'c']) write(name, 'exit 0');
    expect(await verify({ maxVerifiers })).toEqual({ ok: true, reason });
  });

  test('of one that says too much: what it says first', async () => {
    write('talks', 'head -c 1000000 /dev/zero | tr "\\0" x; head -c 1000000 /dev/zero >&2');
    expect(await verify()).toEqual({
      ok: true,
      reason: `talks => ${'x'.repeat(32 * 1024)}(stdout truncated)`,
    });
  });

  test('of one that says as much as it may', async () => {
    write('talks', 'head -c 32768 /dev/zero | tr "\\0" x');
    expect(await verify()).toEqual({ ok: true, reason: `talks => ${'x'.repeat(32 * 1024)}` });
  });

  test('of one that does not want the descriptor', async () => {
    write('deaf', 'exec <&-; echo fine');
    const annotations = { long: 'x'.repeat(1_000_000) };
    const judgement = await verifyImage(NAME, { ...TARGET, annotations }, { directory });
    expect(judgement).toEqual({ ok: true, reason: 'deaf => fine' });
  });
});

describe('an image is kept out by a verifier that', () => {
  test.each([
    ['is a directory', () => mkdirSync(join(directory, 'x'))],
    ['is not executable', () => writeFileSync(join(directory, 'x'), '#!/bin/sh\n')],
    ['is empty', () => writeFileSync(join(directory, 'x'), '', { mode: 0o755 })],
    ['is text', () => writeFileSync(join(directory, 'x'), 'exit 0\n', { mode: 0o755 })],
    ['names no interpreter', () => writeFileSync(join(directory, 'x'), '#!\nexit 0\n', { mode: 0o755 })],
    [
      'is another machine’s',
      () => writeFileSync(join(directory, 'x'), '\x7fELF'.padEnd(64, '\0'), { mode: 0o755 }),
    ],
    ['is a pipe', () => execFileSync('mkfifo', ['-m', '755', join(directory, 'x')])],
    ['is a device', () => symlinkSync('/dev/null', join(directory, 'x'))],
    ['is killed', () => write('x', 'kill -9 $$')],
  ])('%s', async (_, make) => {
    make();
    await expect(verify()).rejects.toMatchObject({
      ...{ code: 'FailedPrecondition', message: expect.stringContaining(join(directory, 'x')) },
    });
  });

  test.each([
    ['takes too long', 'exec cat /dev/zero >/dev/null'],
    ['leaves another in its place', 'cat /dev/zero >/dev/null &'],
    ['never stops talking', 'exec cat /dev/zero'],
  ])('%s', async (_, script) => {
    write('x', script);
    const waiting = expect(verify({ timeoutMs: 200 })).rejects.toMatchObject({ code: 'Unavailable' });
    await within(20_000, 'the time-out', waiting);
  });

  test('can’t be listed', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    await expect(verify({ directory: file })).rejects.toMatchObject({ code: 'PermissionDenied' });
    await expect(verify({ directory: 'relative' })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

test('a verifier may be any program of this machine', async () => {
  symlinkSync('/bin/true', join(directory, 'a'));
  symlinkSync('/bin/false', join(directory, 'b'));
  expect(await verify()).toEqual({ ok: false, reason: 'verifier b rejected image (exit code 1): ' });
});

test('what is too late is killed, and what it started', async () => {
  write(
    'x',
    `sh -c 'echo $$ >${root}/pid.new; mv ${root}/pid.new ${root}/pid; exec cat /dev/zero >/dev/null'`,
  );
  const controller = new AbortController();
  const reason = new Error('enough');
  const verifying = expect(verify({ signal: controller.signal, timeoutMs: 60_000 })).rejects.toBe(reason);
  const pid = await vi.waitFor(() => Number(readFileSync(join(root, 'pid'), 'utf8')), 20_000);
  controller.abort(reason);
  await verifying;
  await vi.waitFor(() => expect(hasEnded(pid)).toBe(true), 20_000);
});

describe('a function', () => {
  const agrees: ImageVerifier = (name, { digest }) => ({ ok: true, reason: `${name} is ${digest}` });

  test('judges like a program, after them', async () => {
    write('a', 'echo fine');
    expect(await verify({ verifiers: [agrees] })).toEqual({
      ok: true,
      reason: `a => fine, ${NAME} is ${TARGET.digest}`,
    });
  });

  test('that does not agree keeps the image out, and no other is asked', async () => {
    const no = { ok: false, reason: 'not today' };
    const never: ImageVerifier = () => {
      throw new Error('asked');
    };
    expect(await verify({ verifiers: [agrees, async () => no, never] })).toEqual(no);
    await expect(verify({ verifiers: [never] })).rejects.toThrow('asked');
  });
});
