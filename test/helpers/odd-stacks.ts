import { characterDevice, dir, fifo, file, hardlink, opaque, symlink, tar, whiteout } from './tar-builder.js';

/** The lowest layer of each stack: what a later one does not list, the root included, stays as it is here. */
export const LOWEST_LAYER: Buffer = tar(
  dir('./', { mode: 0o711, uid: 1, gid: 2, mtime: 3, xattrs: { 'user.root': 'r' } }),
);
const usr = [dir('usr/bin'), file('usr/bin/sh', 'sh', { mode: 0o755 }), symlink('bin', 'usr/bin')];
/** A directory with attributes, and files in it. */
export const DIRECTORY: readonly Buffer[] = [
  dir('d', { mode: 0o711, uid: 3, gid: 4, mtime: 5, xattrs: { 'user.a': 'b' } }),
  file('d/x', 'x'),
  file('d/y/z', 'z'),
];

/** Layers that are hard to get right, lowest first. They are over `LOWEST_LAYER`, and no layer is refused. */
export const ODD_STACKS: Readonly<Record<string, readonly (readonly Buffer[])[]>> = {
  'files added to a directory without an entry': [DIRECTORY, [file('d/new', 'n'), file('d/y/new', 'n')]],
  'a whiteout of a file': [DIRECTORY, [whiteout('d/x')]],
  'a whiteout of a directory': [DIRECTORY, [whiteout('d')]],
  'a whiteout in the root': [[file('f'), file('g')], [whiteout('f')]],
  'a whiteout of nothing': [DIRECTORY, [whiteout('d/none'), whiteout('none'), whiteout('none/at/all')]],
  'a whiteout of nothing beside one of something': [DIRECTORY, [whiteout('d/none'), whiteout('d/x')]],
  'a whiteout in each of many layers': [
    DIRECTORY,
    [whiteout('d/x')],
    [file('d/x', 'again')],
    [whiteout('d/x')],
  ],
  'a whiteout of a whiteout': [DIRECTORY, [whiteout('d/x')], [whiteout('d/x')]],
  'a whiteout before a directory of that name': [DIRECTORY, [whiteout('d'), dir('d'), file('d/n', 'n')]],
  'a whiteout after a directory of that name': [DIRECTORY, [dir('d'), file('d/n', 'n'), whiteout('d')]],
  'a whiteout after an implicit directory': [DIRECTORY, [file('d/y/n', 'n'), whiteout('d')]],
  'a whiteout, and the directory again a layer later': [DIRECTORY, [whiteout('d')], [file('d/n', 'n')]],
  'an opaque directory': [DIRECTORY, [dir('d', { mode: 0o750 }), opaque('d'), file('d/n', 'n')]],
  'an opaque mark alone': [DIRECTORY, [opaque('d')]],
  'an opaque mark after entries': [DIRECTORY, [file('d/y/n', 'n'), opaque('d')]],
  'an opaque mark and a whiteout in one directory': [
    DIRECTORY,
    [whiteout('d/x'), opaque('d'), whiteout('d/y')],
  ],
  'an opaque root': [DIRECTORY, [opaque(''), file('n', 'n')]],
  'an opaque mark for no directory': [DIRECTORY, [opaque('new/one')]],
  'an opaque directory below an opaque one': [DIRECTORY, [opaque('d'), opaque('d/y')], [file('d/y/n')]],
  'a file where a directory was, and back': [DIRECTORY, [file('d', 'file')], [dir('d'), file('d/n')]],
  'a file and a directory in one layer, over a directory': [DIRECTORY, [file('d', 'file'), dir('d')]],
  'a directory with the inode number of one that was opaque': [
    [file('e/x'), file('f/x')],
    [
      dir('n'),
      opaque('n'),
      file('n'),
      dir('e'),
      whiteout('e/x'),
      dir('m'),
      opaque('m'),
      file('m'),
      dir('f'),
      opaque('f'),
    ],
  ],
  'an opaque directory, a file over it, and a directory again': [
    DIRECTORY,
    [opaque('d'), file('d'), dir('d')],
  ],
  'a whiteout of a file, then of its directory': [DIRECTORY, [whiteout('d/x'), whiteout('d')]],
  'a whiteout of a directory, then of a file in it': [DIRECTORY, [whiteout('d'), whiteout('d/x')]],
  'an entry that replaces the symlink it came through': [[symlink('c', '/')], [file('c/c', 'x')]],
  'an entry below a lower file that a link has copied up': [
    [file('a')],
    [hardlink('l', 'a'), file('a/n', 'n')],
  ],
  'files added to a setgid directory without an entry': [
    [dir('d', { mode: 0o2775, gid: 50 })],
    [file('d/f', 'f'), dir('d/e'), symlink('d/l', 'f'), fifo('d/p')],
  ],
  'a directory that a symlink into it replaces': [DIRECTORY, [dir('c/a'), symlink('c', '/c/a'), file('f')]],
  'a directory where a symlink was': [usr, [dir('bin'), file('bin/n', 'n')]],
  'an entry below a file of a lower layer': [[file('f', 'lower')], [file('f/n', 'n')]],
  'a symlinked parent in a lower layer': [
    usr,
    [file('bin/n', 'n'), whiteout('bin/sh')],
    [file('bin/sh', 'again')],
  ],
  'a symlinked parent two layers down, absolute': [
    [dir('real/one', { uid: 2 })],
    [symlink('a', '/real')],
    [file('other')],
    [file('a/one/n', 'n'), opaque('a/one')],
  ],
  'a symlinked parent that dangles': [[symlink('a', 'no/where')], [file('a/n', 'n')]],
  'a symlinked parent that the same layer deletes': [usr, [whiteout('bin'), file('bin/n', 'n')]],
  'a symlinked parent, deleted after it was used': [usr, [file('bin/n', 'n'), whiteout('bin')]],
  'a hard link to a lower file': [DIRECTORY, [hardlink('l', 'd/x'), hardlink('d/m', 'd/x')]],
  'a hard link to a lower file, through a symlink': [usr, [hardlink('l', 'bin/sh', { mode: 0o600 })]],
  'a hard link to a lower symlink and fifo': [
    [symlink('s', 'x'), fifo('p')],
    [hardlink('t', 's'), hardlink('q', 'p')],
  ],
  'a hard link to a lower file that is deleted then': [DIRECTORY, [hardlink('l', 'd/x'), whiteout('d/x')]],
  'a hard link to a file with several names': [[file('a', 'x'), hardlink('b', 'a')], [hardlink('c', 'b')]],
  'the root with attributes': [
    [dir('./', { mode: 0o711, uid: 1, mtime: 9 }), file('f')],
    [file('g')],
    [whiteout('g')],
  ],
  'attributes of a directory in each layer': [
    DIRECTORY,
    [dir('d', { mode: 0o700, xattrs: { 'user.c': 'd' } })],
    [file('d/n')],
  ],
  'an opaque mark through a symlink': [usr, [opaque('bin'), file('bin/n', 'n')]],
  'an opaque mark through a symlink, after entries': [usr, [file('bin/n', 'n'), opaque('bin')]],
  'an opaque mark through a symlink, and one of what it leads to': [
    usr,
    [opaque('usr/bin'), file('bin/n', 'n'), opaque('bin')],
  ],
  'an opaque mark below a symlink': [usr, [symlink('b', 'usr')], [opaque('b/bin'), file('b/bin/n', 'n')]],
  'an opaque mark through a symlink to a symlink, to be replaced by a later layer': [
    usr,
    [symlink('b', 'bin')],
    [opaque('b')],
    [dir('b'), file('b/n', 'n')],
  ],
  'an opaque mark through a symlink, which a directory of the layer replaces then': [
    usr,
    [opaque('bin'), dir('bin'), file('bin/n', 'n')],
  ],
  'an opaque mark for a directory that has replaced a symlink': [
    usr,
    [dir('bin'), opaque('bin'), file('bin/n', 'n')],
  ],
  'an opaque mark through a symlink that is deleted, and one that dangles': [
    [...usr, symlink('l', 'no/where')],
    [whiteout('bin'), opaque('bin'), opaque('l'), file('l/n', 'n')],
  ],
  'an opaque mark through a symlink to the root, and to a file': [
    [...usr, symlink('l', '/'), symlink('s', 'bin/sh')],
    [opaque('s'), file('usr/n', 'n'), opaque('l')],
  ],
  'a whiteout through a symlink, of a directory and of the symlink': [
    usr,
    [symlink('u', 'usr')],
    [whiteout('u/bin'), whiteout('bin'), whiteout('u')],
  ],
  'a device 0:0 over a file, a directory, a symlink and nothing': [
    [...DIRECTORY, ...usr],
    ['d/x', 'd/y', 'bin', 'bin/new', 'none/at/all'].map((path) => characterDevice(path, 0, 0)),
  ],
  'a device 0:0 before and after a file of the layer, and a hard link to the name': [
    DIRECTORY,
    [
      characterDevice('d/x', 0, 0),
      hardlink('l', 'd/x'),
      file('d/y/z', 'new'),
      characterDevice('d/y/z', 0, 0),
    ],
  ],
  'another device over a file, a directory and nothing': [
    DIRECTORY,
    ['d/x', 'd/y', 'd/new'].map((path) => characterDevice(path, 1, 5)),
  ],
  // Found by random stacks.
  'a hard link to itself, in a directory that becomes opaque': [
    DIRECTORY,
    [hardlink('d/x', 'd/x'), opaque('d')],
  ],
  'a hard link to something deep in a directory that becomes opaque': [
    DIRECTORY,
    [hardlink('l', 'd/y/z'), opaque('d')],
  ],
  'the same, where the layer lists what is between': [
    DIRECTORY,
    [dir('d/y'), hardlink('l', 'd/y/z'), opaque('d')],
  ],
  'a whiteout deep in a directory that is deleted, but for what the layer adds': [
    DIRECTORY,
    [whiteout('d/y/z'), dir('d/new'), whiteout('d')],
  ],
  'an opaque root, through a symlink that the layer brings': [
    [symlink('l', 'd'), ...DIRECTORY],
    [symlink('l', '.'), file('d/new'), opaque('l')],
  ],
  'a directory that replaces a symlink through which the layer has made files': [
    DIRECTORY,
    [dir('e'), symlink('d', 'e'), file('d/n', 'n'), dir('d')],
    [file('d/m', 'm')],
  ],
  'a directory that replaces a symlink of a lower layer through which paths have led': [
    [...DIRECTORY, symlink('e', 'd'), symlink('l', 'l')],
    [symlink('l', '/d')],
    [whiteout('l/x'), dir('l'), file('l/x', 'new')],
  ],
  'a whiteout below a symlink to itself': [DIRECTORY, [symlink('l', 'l'), whiteout('l/x')]],
  'an opaque root over a whiteout of nothing': [[whiteout('none')], [opaque(''), file('n', 'n')]],
  'a symlink to the root that its own path deletes': [[symlink('l', '/')], [whiteout('l/l'), file('l/l')]],
  'a directory made through a symlink that the layer replaces': [
    [...DIRECTORY, symlink('l', 'd')],
    [dir('l/made'), file('l')],
  ],
  'a directory that replaces the symlink its path goes through': [
    [symlink('l', '/'), dir('l/l')],
    [whiteout('n')],
  ],
};
