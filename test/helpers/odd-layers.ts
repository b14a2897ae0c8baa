import { SPARSE_FORMATS } from './sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  hardlink,
  member,
  opaque,
  symlink,
  whiteout,
} from './tar-builder.js';

/** user::rw-, user:1000:r--, group::r--, mask::r--, other::--- as the kernel stores it. */
const ACL = Buffer.from(
  '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff',
  'hex',
);
/** setcap's version 2: effective, and cap_net_raw permitted. */
const CAPABILITY = Buffer.from('0100000200200000000000000000000000000000', 'hex');

const bytes = (text: string) => Buffer.from(text, 'latin1');
const device = (name: string, type: '3' | '4', devmajor: number, devminor: number) =>
  member({ name, type, devmajor, devminor: { base256: devminor } });

/** Layers that are hard to get right, each alone. Some are refused. */
export const ODD_LAYERS: Readonly<Record<string, readonly Buffer[]>> = {
  'no entry': [],
  'the root alone': [dir('./', { mode: 0o1750, uid: 7, gid: 8, mtime: 1234, xattrs: { 'user.root': 'r' } })],
  'the root after its children': [file('f'), dir('d'), dir('./', { mode: 0o700, uid: 1, mtime: 5 })],
  'the root twice': [dir('./', { mode: 0o700, mtime: 1 }), file('f'), dir('.', { mode: 0o750, mtime: 2 })],
  'a file as the root': [file('./', 'x')],
  'names that sort before "." and between "." and ".."': [
    ...['-', '+x', '!', ' ', '-.', '.+', '.-', '.!', '. ', '...', '..a', '.a', '..-', 'a'].map((name) =>
      file(`d/${name}`, name),
    ),
  ],
  'names of any bytes': [
    ...[1, 9, 10, 13, 27, 34, 39, 42, 58, 63, 92, 127, 128, 160, 192, 254, 255].map((byte) =>
      file(Buffer.of(0x61, byte, 0x62), `${byte}`),
    ),
    ...['\xff\xfe', '\xc3\x28', '\xed\xa0\x80', '\xf0\x9f\x92\xa9', 'e\xcc\x81', '\xc3\xa9'].map((name) =>
      dir(bytes(name)),
    ),
  ],
  'names of 1, 254, 255 bytes': [1, 254, 255].map((length) => file('n'.repeat(length), `${length}`)),
  'a name of 256 bytes': [file('n'.repeat(256))],
  'a directory of 256 bytes in a path': [file(`${'n'.repeat(256)}/f`)],
  'a symlink of 1, 511, 512, 513 and 4095 bytes': [1, 447, 448, 449, 511, 512, 513, 1024, 4095].map(
    (length) => symlink(`l${length}`, 't'.repeat(length)),
  ),
  'a symlink of 4096 bytes': [symlink('l', 't'.repeat(4096))],
  'a symlink to nothing at all': [symlink('l', '')],
  'files of each length around a block': [0, 1, 511, 512, 513, 1023, 1024, 4095, 4096, 4097].map((length) =>
    file(`f${length}`, Buffer.alloc(length, 'x')),
  ),
  'directories of each length around a block': Array.from({ length: 60 }, (_, count) => [
    dir(`d${count}`),
    ...Array.from({ length: count }, (_, at) => fifo(`d${count}/${'x'.repeat(12)}${at}`)),
  ]).flat(),
  'modes of each kind': [
    ...[0, 0o4755, 0o2755, 0o1777, 0o7777, 0o6000].flatMap((mode) => [
      file(`f${mode}`, '', { mode }),
      dir(`d${mode}`, { mode }),
      fifo(`p${mode}`, { mode }),
    ]),
    symlink('l', 'x', { mode: 0 }),
  ],
  'owners up to the largest': [65535, 65536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2].map((id) =>
    file(`f${id}`, '', { pax: { uid: `${id}`, gid: `${id - 1}` } }),
  ),
  'the owner that no file can have': [file('f', '', { pax: { uid: `${2 ** 32 - 1}` } })],
  'an owner that is too large': [file('f', '', { pax: { uid: `${2 ** 32}` } })],
  times: [
    ...['0', '-1', '-1.5', '-0.000000001', '1.000000001', '-2208988800.999999999', '17179869184.5'].flatMap(
      (mtime, at) => [
        file(`f${at}`, '', { pax: { mtime } }),
        dir(`d${at}`, { pax: { mtime } }),
        symlink(`l${at}`, 'x', { pax: { mtime } }),
      ],
    ),
  ],
  'devices with large numbers': [
    characterDevice('null', 1, 3, { mode: 0o666 }),
    characterDevice('zero-one', 0, 1),
    characterDevice('one-zero', 1, 0),
    device('c', '3', 4095, 1048575),
    device('b', '4', 259, 70_001),
    device('b0', '4', 0, 0),
    device('b255', '4', 8, 255),
    device('b256', '4', 8, 256),
  ],
  'a device with a major number of 13 bits': [device('c', '3', 4096, 0)],
  'a device with a minor number of 21 bits': [device('c', '3', 1, 1048576)],
  'attributes of each kind': [
    file('f', 'x', {
      xattrs: {
        'user.a': 'b',
        'user.empty': '',
        'user.binary': Buffer.of(0, 1, 255, 10, 0),
        'trusted.t': 't',
        'security.capability': CAPABILITY,
        'security.selinux': 'system_u:object_r:bin_t:s0\0',
      },
    }),
    dir('d', { xattrs: { 'user.d': 'd', 'trusted.d': 'd' } }),
    symlink('l', 'f', { xattrs: { 'trusted.l': 'l' } }),
    fifo('p', { xattrs: { 'trusted.p': 'p' } }),
    characterDevice('c', 1, 3, { xattrs: { 'trusted.c': 'c' } }),
  ],
  'attributes of each length around a block': Array.from({ length: 20 }, (_, at) =>
    file(`f${at}`, 'x', { xattrs: { 'user.a': 'a'.repeat(370 + at), 'user.b': 'b'.repeat(at) } }),
  ),
  'symlinks and directories behind attributes of each length': Array.from({ length: 40 }, (_, at) => [
    symlink(`l${at}`, 't'.repeat(60 + at), { xattrs: { 'trusted.a': 'a'.repeat(11 * at) } }),
    dir(`d${at}`, { xattrs: { 'user.a': 'a'.repeat(11 * at) } }),
    fifo(`d${at}/${'n'.repeat(at)}`),
  ]).flat(),
  'an attribute of 65535 bytes': [file('f', 'x', { xattrs: { 'trusted.a': Buffer.alloc(65535, 'v') } })],
  'an attribute of 65537 bytes': [file('f', 'x', { xattrs: { 'trusted.a': Buffer.alloc(65537, 'v') } })],
  'an attribute with the longest name': [file('f', 'x', { xattrs: { [`user.${'n'.repeat(250)}`]: 'v' } })],
  'an attribute with a name too long': [file('f', 'x', { xattrs: { [`user.${'n'.repeat(251)}`]: 'v' } })],
  'attributes of 200 KiB': [
    file('f', 'x', {
      xattrs: Object.fromEntries([1, 2, 3].map((at) => [`trusted.a${at}`, Buffer.alloc(60_000, `${at}`)])),
    }),
  ],
  'many attributes': [
    dir('d', {
      xattrs: Object.fromEntries(
        Array.from({ length: 200 }, (_, at) => [`user.name-${(at * 37) % 200}`, `${at}`]),
      ),
    }),
  ],
  'attributes without a known prefix': [file('f', 'x', { xattrs: { 'other.a': 'b', 'user.a': 'b' } })],
  'an attribute that is a prefix alone': [file('f', 'x', { xattrs: { 'user.': 'b' } })],
  'a trusted attribute that is a prefix alone': [file('f', 'x', { xattrs: { 'trusted.': 'b' } })],
  'a security attribute that is a prefix alone': [file('f', 'x', { xattrs: { 'security.': 'b' } })],
  'an attribute of the system': [file('f', 'x', { xattrs: { 'system.other': 'b' } })],
  'an attribute of lustre': [file('f', 'x', { xattrs: { 'lustre.a': 'b' } })],
  'attributes that overlayfs would obey': [
    dir('d', { xattrs: { 'trusted.overlay.opaque': 'y' } }),
    dir('e', { xattrs: { 'trusted.overlay.overlay.opaque': 'y', 'trusted.overlay.redirect': '/d' } }),
    file('f', '', { xattrs: { 'trusted.overlay.whiteout': 'y', 'trusted.overlay.metacopy': '' } }),
  ],
  'access control lists': [
    file('f', 'x', { mode: 0o640, xattrs: { 'system.posix_acl_access': ACL } }),
    dir('d', { xattrs: { 'system.posix_acl_access': ACL, 'system.posix_acl_default': ACL } }),
    file('d/child', 'x'),
    dir('d/subdirectory'),
  ],
  'an access control list that is none': [file('f', 'x', { xattrs: { 'system.posix_acl_access': 'x' } })],
  'a default access control list of a file': [
    file('f', 'x', { xattrs: { 'system.posix_acl_default': ACL } }),
  ],
  'an access control list of a symlink': [symlink('l', 'x', { xattrs: { 'system.posix_acl_access': ACL } })],
  'a capability that is none': [file('f', 'x', { xattrs: { 'security.capability': 'x' } })],
  'user attributes of a symlink, a fifo and a device': [
    symlink('l', 'x', { xattrs: { 'user.a': 'b' } }),
    fifo('p', { xattrs: { 'user.a': 'b' } }),
    characterDevice('c', 1, 3, { xattrs: { 'user.a': 'b' } }),
  ],
  'a file several times': [file('f', '1'), file('f', '22', { mode: 0o600 }), file('f', '333', { mtime: 5 })],
  'a name with each type in turn': [
    file('n', 'x'),
    symlink('n', 'x'),
    dir('n'),
    file('n/child', 'x'),
    fifo('n'),
    dir('n', { xattrs: { 'user.a': 'b' } }),
    file('n/other', 'x'),
  ],
  'a directory twice': [
    dir('d', { mode: 0o700, xattrs: { 'user.a': 'b' } }),
    file('d/f'),
    dir('d', { mode: 0o711 }),
  ],
  'hard links to a file that is replaced then': [
    file('a', 'first'),
    hardlink('b', 'a'),
    hardlink('c', 'b'),
    file('a', 'second'),
    hardlink('d', 'a'),
    hardlink('e', 'c'),
  ],
  'a hard link with attributes of its own': [
    file('a', 'x', { mode: 0o600, uid: 1 }),
    hardlink('b', 'a', { mode: 0o755, uid: 2, mtime: 9, xattrs: { 'user.a': 'b' } }),
  ],
  'hard links to a symlink, a fifo and a device': [
    symlink('l', 'x'),
    hardlink('l2', 'l'),
    fifo('p'),
    hardlink('p2', 'p'),
    characterDevice('c', 1, 3),
    hardlink('c2', 'c'),
  ],
  'a hard link over its own target': [file('a', 'x'), hardlink('b', 'a'), hardlink('a', 'b')],
  'a hard link to itself': [file('a', 'x'), hardlink('a', 'a')],
  'a hard link over a directory': [file('a', 'x'), dir('d'), file('d/f'), hardlink('d', 'a')],
  'a hard link to a directory': [dir('d'), hardlink('l', 'd')],
  'a hard link to nothing': [hardlink('l', 'none')],
  'a hard link to a later file': [hardlink('l', 'f'), file('f')],
  'a hard link to the root': [hardlink('l', './')],
  'a hard link below its own target': [file('a', 'x'), hardlink('a/b', 'a')],
  'a hard link to a file in the directory that it replaces': [
    dir('d'),
    file('d/f', 'x'),
    hardlink('d', 'd/f'),
  ],
  'a hard link through a symlink': [dir('d'), file('d/f', 'x'), symlink('s', 'd'), hardlink('l', 's/f')],
  'a hard link with data': [
    file('a', 'x'),
    member({ name: 'b', type: '1', linkname: 'a', size: 5 }, 'other'),
  ],
  'symlinks as parents': [
    dir('real'),
    symlink('a', 'real'),
    symlink('b', '/a'),
    symlink('c', './../../b/.'),
    file('c/f', 'x'),
    file('b/d/g', 'x'),
    hardlink('c/h', 'a/f'),
  ],
  'a symlink that leads out of the root': [symlink('a', '../../../d'), file('a/f', 'x')],
  'symlinks in a circle as parents': [symlink('a', 'b'), symlink('b', 'a'), file('a/f', 'x')],
  'a symlink to itself as a parent': [symlink('a', 'a'), file('a/f', 'x')],
  '41 symlinks one after the other as parents': [
    dir('d'),
    ...Array.from({ length: 41 }, (_, at) => symlink(`l${at}`, at === 0 ? 'd' : `l${at - 1}`)),
    file('l40/f', 'x'),
  ],
  '40 symlinks one after the other as parents': [
    dir('d'),
    ...Array.from({ length: 40 }, (_, at) => symlink(`l${at}`, at === 0 ? 'd' : `l${at - 1}`)),
    file('l39/f', 'x'),
  ],
  'a symlink to a file as a parent': [file('f', 'x'), symlink('l', 'f'), file('l/g', 'x')],
  'a dangling symlink as a parent': [symlink('l', 'no/where'), file('l/f', 'x')],
  'a file as a parent': [file('f', 'x'), file('f/g', 'x')],
  'a directory over a symlink to a directory': [
    dir('d'),
    file('d/f'),
    symlink('l', 'd'),
    dir('l'),
    file('l/g'),
  ],
  'parents that no entry lists': [file('a/b/c/d/e', 'x'), symlink('a/l', 'b/c'), file('a/l/f', 'x')],
  'a parent that an entry lists later': [file('a/b', 'x'), dir('a', { mode: 0o700, uid: 3, mtime: 7 })],
  'paths of odd forms': [
    dir('./a//b/./c/'),
    file('.//a/b/c/f', 'x'),
    file('/absolute', 'x'),
    file('//a/b/g', 'x'),
    dir('a/'),
  ],
  'a path with ".."': [file('a/../b', 'x')],
  'a path above the root': [file('../b', 'x')],
  'the path ".."': [dir('..')],
  'an empty path': [file('', 'x')],
  'a path of 256 components': [file(Array.from({ length: 256 }, () => 'd').join('/'), 'x')],
  'a path of 257 components': [file(Array.from({ length: 257 }, () => 'd').join('/'), 'x')],
  'whiteouts before and after what they name': [
    whiteout('a'),
    file('a', 'x'),
    file('b', 'x'),
    whiteout('b'),
    dir('d'),
    whiteout('d/e'),
    file('d/f', 'x'),
    whiteout('d'),
    whiteout('g/h/i'),
  ],
  'opaque marks with and without contents': [
    opaque('a'),
    file('a/f', 'x'),
    file('b/f', 'x'),
    opaque('b'),
    opaque('c'),
    dir('d'),
    opaque('d/e'),
  ],
  'an opaque root': [file('a', 'x'), opaque(''), file('b', 'x'), dir('c')],
  'an opaque root first': [opaque(''), file('b', 'x'), dir('c')],
  'an opaque mark of a file': [file('f', 'x'), opaque('f')],
  'a whiteout of the root': [file('.wh.', '')],
  'whiteouts of "." and ".."': [file('d/.wh..', '')],
  'a whiteout of ".."': [file('d/.wh...', '')],
  'a whiteout that is a directory': [dir('.wh.d')],
  'a whiteout that is a symlink': [symlink('.wh.d', 'x')],
  'a whiteout with contents': [file('.wh.d', 'contents')],
  'a whiteout as a parent': [file('.wh.d/f', 'x')],
  'a whiteout of a name with 255 bytes': [whiteout('n'.repeat(255))],
  'aufs metadata': [
    file('.wh..wh.aufs'),
    dir('.wh..wh.plnk'),
    file('.wh..wh.plnk/1.2', 'x'),
    dir('.wh..wh.orph'),
  ],
  'a device 0:0 before and after a file': [
    characterDevice('a', 0, 0),
    file('a', 'x'),
    file('b', 'x'),
    characterDevice('b', 0, 0),
    characterDevice('d/c', 0, 0, { mode: 0o600, uid: 5 }),
  ],
  'a hard link to a device 0:0': [characterDevice('a', 0, 0), hardlink('b', 'a')],
  ...Object.fromEntries(
    Object.entries(SPARSE_FORMATS).map(([name, sparse]) => [
      `sparse files, ${name}`,
      [
        sparse('islands', 300_000, [
          [0, 'start'],
          [512, 'aligned'.repeat(100)],
          [5000, 'odd'],
          [131_072, 'page'.repeat(1000)],
          [299_990, 'the end is'],
        ]),
        sparse('hole', 65_536, [[65_536, '']]),
        sparse('one byte', 1, [[0, 'x']]),
        sparse('short', 700, [[600, 'data']]),
        sparse('unaligned end', 70_001, [[70_000, 'x']]),
        hardlink('link', 'islands'),
        sparse('replaced', 9000, [[100, 'old']]),
        file('replaced', 'new'),
        sparse('with attributes', 5000, [[4096, 'x'.repeat(904)]]),
      ],
    ]),
  ),
};
