import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { afterAll, describe, expect } from 'vitest';
import { crc32OfZeros } from '../../src/compression/crc32.js';
import { FACT } from '../../src/layer/manifest/file-facts.js';
import type { ManifestEntry } from '../../src/layer/manifest/manifest-entry.js';
import { readManifest, verifyManifest } from '../../src/layer/manifest/read-manifest.js';
import { verifyTree } from '../../src/layer/manifest/verify-tree.js';
import { writeManifest } from '../../src/layer/manifest/write-manifest.js';
import { applyLayer } from '../../src/layer/unpack-layer.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O } from '../../src/system/system.js';
import { failureOf, type Sandbox, test } from '../helpers/sandbox.js';
import { SPARSE_FORMATS } from '../helpers/sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const system = openLinuxSystem();
/** Beside no destination: the sandbox watches what is there. */
const directory = makeWorkDirectory();
const manifest = join(directory, 'manifest');
afterAll(() => rmSync(directory, { recursive: true }));

async function apply(box: Sandbox, archive: Uint8Array, options: Parameters<Sandbox['unpack']>[1] = {}) {
  const { layer, facts } = await applyLayer(archive, box.dest, {
    ...{ ...options, temporary: false, facts: true },
  });
  withTree(box, (root) => writeManifest(system, manifest, { root, facts, diffID: layer.diffID }));
}

async function unpack(box: Sandbox, archive: Uint8Array, options: Parameters<Sandbox['unpack']>[1] = {}) {
  await apply(box, archive, options);
  const entries = new Map([...readManifest(manifest)].map((entry) => [entry.path, entry]));
  const damage = verify(box);
  return { entries, damage };
}

function verify(box: Sandbox) {
  return withTree(box, (root) => verifyTree(system, root, readManifest(manifest), { content: true }));
}

function withTree<T>(box: Sandbox, use: (root: number) => T): T {
  const root = system.openAt(AT_FDCWD, box.dest, O.RDONLY | O.DIRECTORY, 0);
  try {
    return use(root);
  } finally {
    system.close(root);
  }
}

/** cap_net_raw=ep, version 2. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const content = (entry: ManifestEntry | undefined) => entry && [entry.type, entry.size, entry.checksum];

test('the checksum of zeros is that of zlib', () => {
  for (const count of [0, 1, 2, 7, 512, 65537])
    for (const text of ['', 'before'])
      expect(crc32OfZeros(crc32(text), count)).toBe(crc32(Buffer.alloc(count), crc32(text)));
});

test('says all of each entry', async ({ box }) => {
  const { entries, damage } = await unpack(
    box,
    tar(
      dir('d', { mode: 0o1750, uid: 3, gid: 4 }),
      file('d/f', 'text', {
        ...{ mode: 0o4711, uid: 1, gid: 2, pax: { mtime: '1700000001.25' } },
        xattrs: { 'user.b': '', 'security.capability': CAPABILITY },
      }),
      symlink('s', 'd/f'),
      hardlink('h', 'd/f'),
      characterDevice('c', 5, 6),
      fifo('p'),
      file('empty'),
    ),
  );
  expect(damage).toEqual([]);
  expect([...entries.keys()]).toEqual(['', 'c', 'd', 'd/f', 'empty', 'h', 'p', 's']);
  expect(entries.get('d/f')).toEqual({
    path: 'd/f',
    type: 'file',
    mode: 0o4711,
    uid: 1,
    gid: 2,
    mtimeSec: 1_700_000_001,
    mtimeNsec: 250_000_000,
    size: 4,
    link: undefined,
    checksum: crc32('text'),
    xattrs: crc32(
      Buffer.concat([Buffer.from('security.capability\x0020\0'), CAPABILITY, Buffer.from('user.b\x000\0')]),
    ),
  });
  expect(entries.get('d')).toMatchObject({ type: 'directory', mode: 0o1750, uid: 3, gid: 4, xattrs: 0 });
  expect(entries.get('s')).toMatchObject({ type: 'symlink', link: 'd/f' });
  expect(entries.get('h')).toMatchObject({ type: 'hardlink', link: 'd/f' });
  expect(entries.get('c')).toMatchObject({ type: 'character-device', link: '5:6' });
  expect(entries.get('p')).toMatchObject({ type: 'fifo' });
  expect(content(entries.get('empty'))).toEqual(['file', 0, 0]);
});

test('the last of several entries wins, and what was replaced is not in it', async ({ box }) => {
  const { entries, damage } = await unpack(
    box,
    tar(file('a', 'first'), file('a', 'second'), dir('b'), file('b/x', 'x'), file('b', 'a file now')),
  );
  expect(damage).toEqual([]);
  expect([...entries.keys()]).toEqual(['', 'a', 'b']);
  expect(content(entries.get('a'))).toEqual(['file', 6, crc32('second')]);
});

test('files of every size, whichever thread finishes them', async ({ box }) => {
  const sizes = [1, 511, 512, 513, 4096, 128 * 1024, 128 * 1024 + 1, 3_000_000];
  const bodies = sizes.map((size) => Buffer.alloc(size, `${size} bytes `));
  const members = bodies.map((body, index) => file(`f${index}`, body));
  const { entries, damage } = await unpack(box, gzipSync(tar(...members)));
  expect(damage).toEqual([]);
  for (const [index, body] of bodies.entries())
    expect(content(entries.get(`f${index}`))).toEqual(['file', body.length, crc32(body)]);
});

test.for(Object.entries(SPARSE_FORMATS))('a sparse file (%s)', async ([, sparse], { box }) => {
  const size = 1_000_000;
  const whole = Buffer.alloc(size);
  whole.write('one', 0);
  whole.write('two', 700_000);
  const { entries, damage } = await unpack(
    box,
    tar(
      sparse('holes', size, [
        [0, 'one'],
        [700_000, 'two'],
      ]),
    ),
  );
  expect(damage).toEqual([]);
  expect(content(entries.get('holes'))).toEqual(['file', size, crc32(whole)]);
});

test('whiteouts, opaque directories and copies of lower files', async ({ box }) => {
  const lower = await box.directory(
    'lower',
    file('old', 'old'),
    file('linked', 'of the lower layer'),
    dir('o'),
  );
  const { entries, damage } = await unpack(
    box,
    tar(whiteout('old'), dir('o'), opaque('o'), hardlink('new', 'linked')),
    { target: 'overlay', lowers: [lower] },
  );
  expect(damage).toEqual([]);
  expect(entries.get('old')).toMatchObject({ type: 'whiteout' });
  expect(entries.get('o')).toMatchObject({ type: 'opaque' });
  expect(content(entries.get('linked'))).toEqual(['file', 18, crc32('of the lower layer')]);
  expect(entries.get('new')).toMatchObject({ type: 'hardlink', link: 'linked' });
});

test('without privileges, whiteouts are attributes', async ({ box }) => {
  const lower = await box.directory('lower', file('old', 'old'));
  const { entries, damage } = await unpack(box, tar(whiteout('old')), {
    target: 'overlay',
    rootless: true,
    lowers: [lower],
  });
  expect(damage).toEqual([]);
  expect(entries.get('old')).toMatchObject({ type: 'whiteout' });
});

test('any name survives', async ({ box }) => {
  const names = [
    'new\nline',
    'quote"\\',
    ' ',
    '\u001b[2J',
    'ü\u{1f600}',
    '["end",1]',
    Buffer.from([0x62, 0xff, 0xfe]),
  ];
  const members = names.map((name) => file(name, String(name)));
  const { entries, damage } = await unpack(box, tar(...members, symlink('link', Buffer.from([0xc3, 0x28]))));
  expect(damage).toEqual([]);
  expect(entries.size).toBe(names.length + 2);
  expect(entries.get('b\udcff\udcfe')).toMatchObject({ type: 'file' });
  expect(entries.get('link')).toMatchObject({ link: '\udcc3(' });
});

test('it knows its layer', async ({ box }) => {
  const archive = tar(file('f', 'text'));
  await unpack(box, gzipSync(archive));
  expect(verifyManifest(manifest)).toMatchObject({ diffID: `sha256:${sha256(archive)}`, entries: 2 });
});

test('files whose facts are given are not looked at again', async ({ box }) => {
  const { facts } = await applyLayer(tar(file('f', 'text')), box.dest, {
    temporary: false,
    facts: true,
  });
  writeFileSync(join(box.dest, 'f'), 'else');
  withTree(box, (root) => writeManifest(system, manifest, { root, facts }));
  expect(verify(box)).toMatchObject([{ path: 'f', detail: expect.stringMatching(/^mtime/) }]);
});

describe('a file is looked at all the same', () => {
  const DEFAULT_ACL = Buffer.from('0200000001000700ffffffff04000700ffffffff20000000ffffffff', 'hex');

  test.for<[string, Buffer[], Parameters<Sandbox['unpack']>[1], boolean]>([
    ['but not where nobody else gives it attributes', [], {}, false],
    ['that brings attributes', [file('f', 'x', { xattrs: { 'user.a': 'b' } })], {}, true],
    // A whiteout is a file then, and may get the inode of one that is gone.
    ['without privileges', [], { target: 'overlay', rootless: true }, true],
  ])('%s', async ([, members, options, isLookedAt], { box }) => {
    const archive = tar(...(members.length > 0 ? members : [file('f', 'x')]));
    const how = { ...options, temporary: false, facts: true };
    const { facts } = await applyLayer(archive, box.dest, how);
    expect(facts!.rows[FACT.mode]! < 0).toBe(isLookedAt);
  });

  test('in a directory that hands down an access list', async ({ box }) => {
    const xattrs = { 'system.posix_acl_default': DEFAULT_ACL };
    const lower = await box.directory('lower', dir('d', { xattrs }));
    const how = { target: 'overlay', lowers: [lower], temporary: false, facts: true } as const;
    const { facts } = await applyLayer(tar(file('d/f', 'x')), box.dest, how);
    expect(facts!.rows[FACT.mode]).toBe(-1);
  });
});

test('a place where it can not be written is told', async ({ box }) => {
  await apply(box, tar(file('f')));
  const path = join(box.root, 'nowhere', 'manifest');
  const write = async () => withTree(box, (root) => writeManifest(system, path, { root }));
  expect(await failureOf(write())).toMatchObject({ code: 'NotFound' });
});

describe('damage of the manifest is found', () => {
  test.for<[string, (text: Buffer) => Buffer]>([
    ['a bit', (text) => Buffer.from(text.map((byte, at) => (at === 100 ? byte ^ 1 : byte)))],
    ['a line less', (text) => Buffer.from(text.toString().replace(/\n\["file".*?\n/, '\n'))],
    ['cut off', (text) => text.subarray(0, text.length - 1 - 40)],
    ['at its beginning', (text) => text.subarray(1)],
    ['text after its end', (text) => Buffer.concat([text, Buffer.from('["file","x"]\n')])],
    ['nothing in it', () => Buffer.alloc(0)],
  ])('%s', async ([, change], { box }) => {
    await unpack(box, tar(file('a', 'text'), file('b', 'text')));
    writeFileSync(manifest, change(readFileSync(manifest)));
    expect(() => verifyManifest(manifest)).toThrowError(expect.objectContaining({ code: 'DataLoss' }));
  });
});

describe('damage of the tree is found', () => {
  const layer = tar(
    dir('d'),
    file('d/a', 'text a'),
    file('d/b', 'text b'),
    hardlink('l', 'd/a'),
    symlink('s', 'd'),
    file('c', 'text', { xattrs: { 'security.capability': CAPABILITY, 'user.note': 'x' } }),
  );
  const cases: [string, string, string, string, string][] = [
    ['an empty file', 'truncate -s 0 d/b', 'modified', 'd/b', 'size 0 instead of 6'],
    [
      'a changed byte',
      'printf X | dd of=d/b conv=notrunc status=none; touch -d @1700000000 d/b',
      'modified',
      'd/b',
      'other content',
    ],
    ['a file that is gone', 'rm d/b; touch -d @1700000000 d', 'missing', 'd/b', 'a file is missing'],
    ['another mode', 'chmod 600 d/b', 'modified', 'd/b', 'mode 0600 instead of 0644'],
    ['another owner', 'chown 1:2 d/b', 'modified', 'd/b', 'owner 1:2 instead of 0:0'],
    ['another time', 'touch -d @1600000000 d/b', 'modified', 'd/b', 'mtime 1600000000'],
    ['another target', 'ln -sfn x s; touch -hd @1700000000 s', 'modified', 's', 'link x instead of d'],
    [
      'a link that is a file of its own',
      'cp -p l x; mv x l',
      'modified',
      'l',
      'a file instead of a hardlink',
    ],
    [
      'something else in its place',
      'rm d/b; mkfifo d/b; touch -d @1700000000 d',
      'modified',
      'd/b',
      'a fifo instead of a file',
    ],
    ['a capability that is gone', 'setcap -r c', 'modified', 'c', 'other extended attributes'],
    ['another attribute', 'setfattr -n user.note -v y c', 'modified', 'c', 'other extended attributes'],
    ['one more', 'setfattr -n trusted.new -v y s -h', 'modified', 's', 'other extended attributes'],
    ['something more', 'touch d/c; touch -d @1700000000 d', 'added', 'd/c', 'does not belong to the layer'],
  ];
  test.for(cases)('%s', async ([, command, kind, path, detail], { box }) => {
    await apply(box, layer);
    execFileSync('sh', ['-c', `r=$(stat -c %Y .); ${command}; touch -d @$r .`], { cwd: box.dest });
    const found = verify(box).filter(({ path }) => path !== '');
    expect(found).toMatchObject([{ kind, path, detail: expect.stringContaining(detail) }]);
  });

  test('what overlayfs and the host put on files is none', async ({ box }) => {
    await apply(box, layer);
    const marks = 'setfattr -n trusted.overlay.origin -v x d; setfattr -n trusted.overlay.impure -v y .';
    execFileSync('sh', ['-c', marks], { cwd: box.dest });
    expect(verify(box)).toEqual([]);
  });

  test('by a manifest of version 1 too, which knows nothing of attributes', async ({ box }) => {
    await apply(box, layer);
    const lines = readFileSync(manifest, 'utf8').split('\n').slice(1, -2);
    const old = ['["overlayer manifest",1]', ...lines.map((line) => line.replace(/,\{.*\}/, '')), ''].join(
      '\n',
    );
    writeFileSync(
      manifest,
      `${old}["end",${lines.length},"${crc32(old).toString(16).padStart(8, '0')}",null]\n`,
    );
    expect(lines.filter((line) => line.includes('xattrs'))).toHaveLength(1);
    execFileSync('sh', ['-c', 'setcap -r c; chmod 600 d/b'], { cwd: box.dest });
    expect(verify(box)).toMatchObject([{ kind: 'modified', path: 'd/b' }]);
  });
});
