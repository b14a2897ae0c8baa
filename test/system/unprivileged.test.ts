import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { AnomalyKind, UnpackLayerOptions } from '../../src/index.js';
import { AS_NOBODY, NOBODY } from '../helpers/mount-namespace.js';
import { runUnpack, type UnpackOutcome } from '../helpers/run-unpack.js';
import { Sandbox, test } from '../helpers/sandbox.js';
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
function unpackAsNobody(
  box: Sandbox,
  members: readonly Buffer[],
  options: UnpackLayerOptions = {},
  prefix = AS_NOBODY,
) {
  mkdirSync(box.dest, { recursive: true });
  chmodSync(box.root, 0o755);
  chownSync(box.dest, NOBODY, NOBODY);
  const source = join(box.dest, 'layer.tar');
  const destination = join(box.dest, 'rootfs');
  writeFileSync(source, tar(...members));
  const outcome = runUnpack({ source, destination, options }, { prefix });
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

/** Names of the entries that an anomaly is about. */
function skipped(outcome: UnpackOutcome, kind: AnomalyKind): (string | undefined)[] {
  if ('error' in outcome) throw new Error(outcome.error.message);
  const summary = outcome.result.anomalies.find((each) => each.kind === kind);
  return summary?.examples.map(({ entry }) => entry) ?? [];
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

  test('setuid and setgid of root stay, for whom the caller stands, as do its own', ({ box }) => {
    const own = { uid: NOBODY, gid: NOBODY };
    const { tree, kinds } = unpacked(box, [
      file('own', 'x', { ...own, mode: 0o6755 }),
      file('root', 'x', { mode: 0o6755 }),
      file('s', 'of the group alone', { uid: 7, gid: NOBODY, mode: 0o2755 }),
      dir('d', { uid: 7, gid: 7, mode: 0o2775 }),
      fifo('p', { mode: 0o4600 }),
    ]);
    for (const path of ['own', 'root']) expect(tree.get(path)?.mode).toBe('6755');
    expect(tree.get('s')?.mode).toBe('2755');
    // A directory hands down its group, and acts for nobody.
    expect(tree.get('d')?.mode).toBe('2775');
    expect(tree.get('p')?.mode).toBe('4600');
    expect(kinds).not.toContain('setuid-skipped');
    expect(kinds).not.toContain('setgid-skipped');
  });

  test('setuid and setgid of somebody else go, and that is said', ({ box }) => {
    const { outcome, destination } = unpackAsNobody(box, [
      file('mail', 'x', { uid: 8, gid: 0, mode: 0o6755 }),
      file('games', 'x', { uid: 0, gid: 60, mode: 0o6755 }),
      file('both', 'x', { uid: 8, gid: 60, mode: 0o7755, xattrs: { 'user.a': 'b' } }),
    ]);
    const tree = readTree(destination);
    expect(['mail', 'games', 'both'].map((path) => tree.get(path)?.mode)).toEqual(['2755', '4755', '1755']);
    expect(skipped(outcome, 'setuid-skipped')).toEqual(['mail', 'both']);
    expect(skipped(outcome, 'setgid-skipped')).toEqual(['games', 'both']);
  });

  test('extended attributes of users stay, others are left out', ({ box }) => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    const xattrs = { 'user.a': 'b', 'trusted.c': 'd', 'security.capability': capability };
    const { tree, kinds } = unpacked(box, [file('f', 'x', { xattrs })]);
    expect(tree.get('f')?.xattrs).toEqual({ 'user.a': 'b' });
    expect(kinds).toContain('xattr-skipped');
  });

  test.each([
    ['without a namespace', AS_NOBODY],
    ['in a user namespace of one id', [...AS_NOBODY, 'unshare', '--user', '--map-root-user']],
  ] as const)("lower layers may be somebody else's (%s)", async (_, prefix) => {
    const box = new Sandbox();
    try {
      const lower = await box.directory(
        'lower',
        dir('d', { mode: 0o2755 }),
        file('d/a', 'a', { mode: 0o4755 }),
      );
      const upper = [file('d/n', 'n', { uid: NOBODY, gid: NOBODY }), hardlink('l', 'd/a')];
      const how = { target: 'overlay', lowers: [lower] } as const;
      const { outcome, destination } = unpackAsNobody(box, upper, how, prefix);
      expect(skipped(outcome, 'ownership-ignored').length).toBeGreaterThan(0);
      const tree = readTree(destination);
      expect(tree.get('d')).toMatchObject({ uid: NOBODY, mode: '0755' });
      expect(tree.get('l')).toMatchObject({ uid: NOBODY, mode: '0755', linkOf: 'd/a' });
    } finally {
      box.remove();
    }
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

// No /etc/subuid, `unshare --map-root-user`, a locked-down CI: uid 0 there, and no other id.
describe('as root of a user namespace of one id', () => {
  const IN_NAMESPACE = [...AS_NOBODY, 'unshare', '--user', '--map-root-user'];
  const members = [
    dir('var', { uid: 0, gid: 12 }),
    file('var/mail', 'x', { uid: 12, gid: 0, mode: 0o6755 }),
    file('var/root', 'x', { mode: 0o6755 }),
    characterDevice('dev/null', 1, 3),
  ];

  test('a layer is unpacked as without privileges, without being asked to', ({ box }) => {
    const { outcome, destination } = unpackAsNobody(box, members, {}, IN_NAMESPACE);
    const tree = readTree(destination);
    expect(tree.get('var/mail')).toMatchObject({ uid: NOBODY, mode: '2755' });
    expect(tree.get('var/root')).toMatchObject({ uid: NOBODY, mode: '6755' });
    expect(skipped(outcome, 'ownership-ignored')).toEqual(['var', 'var/mail']);
    expect(skipped(outcome, 'setuid-skipped')).toEqual(['var/mail']);
    expect(skipped(outcome, 'device-skipped')).toEqual(['dev/null']);
  });

  test.for([
    ['a directory', [dir('d', { uid: 3, gid: 12 })]],
    ['a file', [file('f', 'x', { uid: 3, gid: 12 })]],
    ['a symlink', [symlink('l', 'f', { uid: 3, gid: 12 })]],
  ] as const)(
    'an owner that has no id there is named, where all have to be kept: of %s',
    ([, asked], { box }) => {
      const { outcome } = unpackAsNobody(box, asked, { rootless: false }, IN_NAMESPACE);
      expect(outcome).toMatchObject({
        error: {
          code: 'FailedPrecondition',
          message: expect.stringContaining('the user namespace does not map the owner 3:12'),
          hint: expect.stringContaining('--rootless'),
        },
      });
    },
  );
});
