import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { UnpackLayerOptions } from '../../src/index.js';
import { AS_NOBODY, NOBODY } from '../helpers/mount-namespace.js';
import { runUnpack, type UnpackOutcome } from '../helpers/run-unpack.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { readTree, type Tree } from '../helpers/tree.js';

/** Unpacks as a user without any privileges, into a folder that is that user's. */
function unpackAsNobody(box: Sandbox, members: readonly Buffer[], options: UnpackLayerOptions = {}) {
  mkdirSync(box.dest, { recursive: true });
  chmodSync(box.root, 0o755);
  chownSync(box.dest, NOBODY, NOBODY);
  const source = join(box.dest, 'layer.tar');
  const destination = join(box.dest, 'rootfs');
  writeFileSync(source, tar(...members));
  const outcome = runUnpack({ source, destination, options }, { prefix: AS_NOBODY });
  return { outcome, destination };
}

function unpacked(
  box: Sandbox,
  members: readonly Buffer[],
  options?: UnpackLayerOptions,
): { tree: Tree; kinds: string[] } {
  const { outcome, destination } = unpackAsNobody(box, members, options);
  if ('error' in outcome) throw new Error(outcome.error.message);
  return { tree: readTree(destination), kinds: outcome.result.anomalies.map(({ kind }) => kind) };
}

function errorCode(outcome: UnpackOutcome): string | undefined {
  return 'error' in outcome ? outcome.error.code : undefined;
}

describe('without privileges', () => {
  test('everything belongs to the caller, and that is said', ({ box }) => {
    const { tree, kinds } = unpacked(box, [
      dir('d', { uid: 0 }),
      file('d/f', 'x', { uid: 1000, gid: 1000, mode: 0o640 }),
    ]);
    for (const path of ['.', 'd', 'd/f']) expect(tree.get(path)).toMatchObject({ uid: NOBODY, gid: NOBODY });
    expect(tree.get('d/f')).toMatchObject({ mode: '0640', mtime: 1_700_000_000_000_000_000n });
    expect(kinds).toContain('ownership-ignored');
  });

  test('devices are left out, fifos and links are not', ({ box }) => {
    const { tree, kinds } = unpacked(box, [
      characterDevice('dev/null', 1, 3),
      fifo('dev/initctl'),
      file('f', 'x'),
      hardlink('l', 'f'),
      symlink('s', '/f'),
    ]);
    expect([...tree.keys()]).toEqual(['.', 'dev', 'dev/initctl', 'f', 'l', 's']);
    expect(tree.get('l')?.linkOf).toBe('f');
    expect(kinds).toContain('device-skipped');
  });

  test('directories that may not be written or entered are filled all the same', ({ box }) => {
    const { tree } = unpacked(box, [
      dir('proc', { mode: 0o555 }),
      file('proc/f', 'x'),
      dir('locked', { mode: 0 }),
      file('locked/in/f', 'x'),
      file('locked/unreadable', 'x', { mode: 0 }),
      symlink('locked/in/f', 'replaces'),
    ]);
    expect(tree.get('proc')?.mode).toBe('0555');
    expect(tree.get('locked')?.mode).toBe('0000');
    expect(tree.get('locked/in/f')?.type).toBe('symlink');
  });

  test('what may not be written is deleted and replaced by later layers', ({ box }) => {
    unpacked(box, [
      dir('d', { mode: 0o555 }),
      file('d/a', 'x', { mode: 0o400 }),
      file('d/s/b', 'x'),
      dir('e', { mode: 0 }),
    ]);
    const { tree } = unpacked(box, [whiteout('d/a'), file('d/s', 'y'), whiteout('e')], { existing: 'merge' });
    expect([...tree.keys()]).toEqual(['.', 'd', 'd/s']);
    expect(tree.get('d')?.mode).toBe('0555');
  });

  test('setuid stays only with the owner it was meant for', ({ box }) => {
    const own = { uid: NOBODY, gid: NOBODY, mode: 0o4755 };
    const { tree } = unpacked(box, [
      file('own', 'x', own),
      file('root', 'x', { mode: 0o6755 }),
      dir('d', { mode: 0o2755 }),
    ]);
    expect(tree.get('own')?.mode).toBe('4755');
    expect(tree.get('root')?.mode).toBe('0755');
    expect(tree.get('d')?.mode).toBe('0755');
  });

  test('extended attributes of users stay, others are left out', ({ box }) => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const xattrs = { 'user.a': 'b', 'trusted.c': 'd', 'security.capability': capability };
    const { tree, kinds } = unpacked(box, [file('f', 'x', { xattrs })]);
    expect(tree.get('f')?.xattrs).toEqual({ 'user.a': 'b' });
    expect(kinds).toContain('xattr-skipped');
  });

  test('a failure leaves nothing, even what may not be entered', ({ box }) => {
    const locked = [dir('d', { mode: 0 }), file('d/e/f', 'x'), dir('d/e', { mode: 0o500 })];
    const { outcome, destination } = unpackAsNobody(box, [...locked, Buffer.alloc(512, 1)]);
    expect(errorCode(outcome)).toBe('InvalidArgument');
    expect(readTree(join(destination, '..')).has('rootfs')).toBe(false);
    expect([...readTree(join(destination, '..')).keys()]).toEqual(['.', 'layer.tar']);
  });

  test('privileges are missed by name where they are asked for', ({ box }) => {
    const { outcome } = unpackAsNobody(box, [file('f', 'x', { uid: 1000 })], { rootless: false });
    expect(errorCode(outcome)).toBe('PermissionDenied');
  });
});
