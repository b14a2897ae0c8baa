import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OverlayerError } from '../../../src/index.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import { type Applied, applyLayer } from '../../helpers/apply-layer.js';
import { makeErofsLayer } from '../../helpers/erofs-layer.js';
import { useErofsMounts } from '../../helpers/erofs-mounts.js';
import { oldGnuSparse, SPARSE_FORMATS } from '../../helpers/sparse-members.js';
import {
  type Attributes,
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  member,
  symlink,
  tar,
} from '../../helpers/tar-builder.js';
import { diffTrees, readTree, type Tree } from '../../helpers/tree.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

const mounts = useErofsMounts();
let root: string;
beforeAll(() => {
  root = makeWorkDirectory();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let layers = 0;

async function mounted(bytes: Uint8Array): Promise<Tree> {
  const image = join(root, `${layers++}.erofs`);
  writeFileSync(image, bytes);
  return await mounts.show([image]);
}

/** Expects the same tree from a layer file as from a directory. */
async function expectAsUnpacked(archive: Uint8Array, owners?: Applied['owners']): Promise<Tree> {
  const destination = join(root, `${layers++}`);
  applyLayer(openLinuxSystem(), destination, { layer: archive, owners });
  const tree = await mounted(makeErofsLayer(archive, owners === undefined ? {} : { owners }).bytes);
  expect(diffTrees(readTree(destination), tree)).toEqual([]);
  return tree;
}

function codeOf(archive: Uint8Array): string | undefined {
  try {
    makeErofsLayer(archive);
    return undefined;
  } catch (error) {
    if (OverlayerError.is(error)) return error.code;
    throw error;
  }
}

/** @param entries tag, permissions and id of each */
function acl(...entries: readonly (readonly [tag: number, permissions: number, id?: number])[]): Buffer {
  const bytes = Buffer.alloc(4 + entries.length * 8);
  bytes.writeUInt32LE(2);
  for (const [at, [tag, permissions, id = 0xffffffff]] of entries.entries()) {
    bytes.writeUInt16LE(tag, 4 + at * 8);
    bytes.writeUInt16LE(permissions, 6 + at * 8);
    bytes.writeUInt32LE(id, 8 + at * 8);
  }
  return bytes;
}

const NAMED_ACL = acl([1, 6], [2, 7, 1000], [4, 4], [8, 5, 2000], [16, 7], [32, 4]);
const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');
const ATTRIBUTES: Attributes = { uid: 1000, gid: 70_000, pax: { mtime: '-12345.000000001', atime: '5.5' } };

test('files of each type with all their attributes', async () => {
  const xattrs = {
    ...{
      'user.a': 'b',
      'trusted.c': Buffer.from([0, 255]),
      'user.empty': '',
      'security.capability': CAPABILITY,
    },
    ...{ 'trusted.overlay.opaque': 'y', 'user.overlay.whiteout': '', 'unknown.name': 'x', 'system.foo': 'x' },
  };
  await expectAsUnpacked(
    tar(
      dir('.', { ...ATTRIBUTES, mode: 0o1750, xattrs: { 'user.root': 'x' } }),
      dir('d', { ...ATTRIBUTES, mode: 0o3711, xattrs }),
      file('d/f', 'content', { ...ATTRIBUTES, mode: 0o6755, xattrs }),
      file('d/empty', '', { mode: 0 }),
      symlink('d/l', '../nowhere', { ...ATTRIBUTES, xattrs: { 'trusted.a': 'b', 'user.a': 'b' } }),
      symlink('long', 't'.repeat(4095)),
      symlink('medium', 't'.repeat(449)),
      fifo('p', { ...ATTRIBUTES, mode: 0o4622 }),
      characterDevice('c', 4095, 0o777777, { mode: 0o640 }),
      member({ name: 'b', type: '4', devmajor: 259, devminor: 70_000 }),
      file('later', 'x', { pax: { mtime: '9000000000.999999999' } }),
      file(Buffer.from('not utf-8 \xff\xfe', 'latin1'), 'x'),
      ...['-', '+', '.+', '..a', '...', 'n'.repeat(255)].map((name) => file(name, name)),
    ),
  );
});

test('access control lists', async () => {
  const access = (value: Buffer) => ({ xattrs: { 'system.posix_acl_access': value } });
  const tree = await expectAsUnpacked(
    tar(
      file('named', 'x', { mode: 0o674, ...access(NAMED_ACL) }),
      // As with chmod(2), the mode decides on the mask.
      file('other mask', 'x', { mode: 0o640, ...access(NAMED_ACL) }),
      file('only a mode', 'x', { mode: 0o640, ...access(acl([1, 6], [4, 4], [32, 4])) }),
      file('with a mask', 'x', { mode: 0o640, ...access(acl([1, 6], [4, 4], [16, 6], [32, 4])) }),
      dir('d', {
        xattrs: {
          'system.posix_acl_access': NAMED_ACL,
          'system.posix_acl_default': acl([1, 7], [4, 5], [32, 0]),
        },
      }),
      file('d/f', 'x'),
      symlink('l', 'x', access(NAMED_ACL)),
    ),
  );
  expect(tree.get('only a mode')?.xattrs).toEqual({});
});

test('owners, lists and capabilities of a user namespace', async () => {
  const xattrs = { 'system.posix_acl_access': NAMED_ACL, 'security.capability': CAPABILITY };
  const shifted = file('a/f', 'x', { uid: 5, gid: 6, mode: 0o674, xattrs });
  await expectAsUnpacked(tar(dir('.'), shifted, symlink('s', 'x')), {
    uids: [{ container: 0, host: 100_000, size: 65_536 }],
    gids: [{ container: 0, host: 200_000, size: 65_536 }],
  });
});

test('links to files, symlinks and devices that were replaced, and entries that are there twice', async () => {
  await expectAsUnpacked(
    tar(
      ...[file('a', 'one'), hardlink('b', 'a'), file('a', 'two'), hardlink('c', 'a'), hardlink('a', 'b')],
      ...[symlink('s', 'a'), hardlink('t', 's'), fifo('p'), hardlink('q', 'p'), fifo('s')],
      ...[dir('d', { mode: 0o700 }), file('d/f', 'x'), symlink('e', 'd'), file('e/g', 'y'), file('e', 'z')],
      ...[dir('x'), file('x/y', 'x'), file('x', 'no directory any more'), dir('d', { mode: 0o711 })],
    ),
  );
});

describe('sparse files', () => {
  test.each(Object.entries(SPARSE_FORMATS))('%s', async (_, member) => {
    const islands = [
      [0, 'begin'],
      [70_000, 'middle'],
      [100_000, 'x'.repeat(5000)],
      [299_999, 'z'],
    ] as const;
    await expectAsUnpacked(tar(member('s', 300_000, islands), member('hole', 5_000_000, []), file('f', 'x')));
  });
});

test('an attribute of 65,535 bytes, and many that fill their 256 KiB', async () => {
  const value = Buffer.alloc(65_535, 7);
  const xattrs = {
    'trusted.a': value,
    'trusted.b': value,
    'trusted.c': value,
    'trusted.d': value.subarray(0, 65_000),
  };
  const bytes = makeErofsLayer(tar(file('f', 'x', { xattrs }), symlink('l', 't'), file('g', 'y'))).bytes;
  const tree = await mounted(bytes);
  const expected = Object.fromEntries(
    Object.entries(xattrs).map(([name, each]) => [name, each.toString('latin1')]),
  );
  expect(tree.get('f')?.xattrs).toEqual(expected);
  expect(tree.get('l')?.target).toBe('t');
});

test('the bytes are a function of the archive', () => {
  const names = Array.from({ length: 3000 }, (_, at) => file(`d/${(at * 7919) % 3000}`, `${at}`));
  const archive = tar(...names, symlink('s', 'd'), oldGnuSparse('h', 100_000, [[5000, 'x']]));
  expect(makeErofsLayer(archive).bytes.equals(makeErofsLayer(archive).bytes)).toBe(true);
});

describe('is refused', () => {
  const of = (xattrs: NonNullable<Attributes['xattrs']>) => tar(file('f', 'x', { xattrs }));
  test.each<[string, Buffer, string]>([
    ['a name of 256 bytes', tar(file('n'.repeat(256))), 'InvalidArgument'],
    ['a directory name of 256 bytes', tar(file(`${'é'.repeat(128)}/f`)), 'InvalidArgument'],
    ['a symlink of 4096 bytes', tar(symlink('s', 't'.repeat(4096))), 'InvalidArgument'],
    ['a device number that the kernel does not have', tar(characterDevice('c', 4096, 0)), 'InvalidArgument'],
    ['a minor of more than 20 bits', tar(characterDevice('c', 1, { base256: 2 ** 20 })), 'InvalidArgument'],
    [
      'an invalid list',
      of({ 'system.posix_acl_access': acl([1, 6], [2, 7, 5], [4, 4], [32, 4]) }),
      'InvalidArgument',
    ],
    [
      'a list out of order',
      of({ 'system.posix_acl_access': acl([4, 6], [1, 7], [32, 4]) }),
      'InvalidArgument',
    ],
    ['a cut list', of({ 'system.posix_acl_access': NAMED_ACL.subarray(0, 20) }), 'InvalidArgument'],
    [
      'a default list of a file',
      of({ 'system.posix_acl_default': acl([1, 7], [4, 5], [32, 0]) }),
      'PermissionDenied',
    ],
    ['empty capabilities', of({ 'security.capability': '' }), 'InvalidArgument'],
    ['invalid capabilities', of({ 'security.capability': 'x' }), 'InvalidArgument'],
    [
      'capabilities of another length',
      of({ 'security.capability': Buffer.concat([CAPABILITY, CAPABILITY.subarray(0, 4)]) }),
      'InvalidArgument',
    ],
    ['an attribute without a name', of({ 'user.': 'x' }), 'InvalidArgument'],
    ['an attribute with a long name', of({ [`user.${'n'.repeat(251)}`]: 'x' }), 'InvalidArgument'],
    ['an attribute of 65,537 bytes', of({ 'trusted.a': Buffer.alloc(65_537) }), 'InvalidArgument'],
    ['a link without a target', tar(hardlink('l', 'f')), 'NotFound'],
    ['a link to a directory', tar(dir('d'), hardlink('l', 'd')), 'InvalidArgument'],
    ['a link to the root', tar(dir('d'), hardlink('l', '.')), 'InvalidArgument'],
    [
      'a link in place of the directory of its target',
      tar(file('d/f', 'x'), hardlink('d', 'd/f')),
      'InvalidArgument',
    ],
    ['an entry below a file', tar(file('f', 'x'), file('f/g', 'x')), 'InvalidArgument'],
    [
      'symlinks that lead to each other',
      tar(symlink('a', 'b'), symlink('b', 'a'), file('a/f', 'x')),
      'InvalidArgument',
    ],
  ])('%s, as on disk', (_, archive, code) => {
    expect(codeOf(archive)).toBe(code);
    let found: string | undefined;
    try {
      applyLayer(openLinuxSystem(), join(root, `${layers++}`), { layer: archive });
    } catch (error) {
      found = (error as OverlayerError).code;
    }
    expect(found).toBe(code);
  });

  test('attributes for which an inode has no room', () => {
    const names = Array.from({ length: 25_000 }, (_, at) => `user.${at.toString(36).padStart(5, '0')}`);
    const archive = of(Object.fromEntries(names.map((name) => [name, ''])));
    const limits = { maxXattrBytes: 2 ** 20, maxHeaderBytes: 2 ** 22 };
    expect(() => makeErofsLayer(archive, { limits })).toThrow(
      expect.objectContaining({ code: 'InvalidArgument', entry: 'f' }),
    );
  });

  test('with the entry and its offset', () => {
    const archive = tar(file('a'), file('f', 'x', { xattrs: { 'user.': 'x' } }));
    expect(() => makeErofsLayer(archive)).toThrow(
      expect.objectContaining({ entry: 'f', offset: 512, message: expect.stringContaining('"user."') }),
    );
  });
});
