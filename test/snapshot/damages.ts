import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type BackendName, layerIn } from '../helpers/backends.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

const BIG = 1_000_000;

/** Layers of the snapshots that are damaged; `top` is on `base`. */
export const LAYERS = {
  base: tar(
    dir('etc', { uid: 1, mode: 0o2750 }),
    file('etc/passwd', 'root', { xattrs: { 'user.note': 'kept' } }),
    file('etc/other', 'other'),
    dir('lib'),
    file('lib/big', Buffer.alloc(BIG, 'big')),
    hardlink('lib/again', 'lib/big'),
    symlink('link', './etc'),
  ),
  top: tar(dir('etc'), whiteout('etc/other'), dir('lib'), opaque('lib'), file('lib/new', 'new')),
} as const;

export interface Damage {
  readonly what: string;
  readonly snapshot: keyof typeof LAYERS;
  /** A command in a tree of files. */
  readonly tree: string;
  /** Changes the same thing in a layer file. */
  readonly file: (bytes: Buffer) => Buffer;
  /** Findings in a tree. In a layer file the finding is the file. */
  readonly found: readonly (readonly [kind: string, path: string])[];
}

/** Changes a byte of the tar. @param text whose first occurrence has the byte */
const inTar =
  (text: string, offset = 0) =>
  (bytes: Buffer) =>
    changed(bytes, bytes.indexOf(text) + offset);

/** Changes a byte of the inodes and directories, which are behind the tar. @param text whose last occurrence has the byte */
const inMetadata =
  (text: string | Buffer, offset = 0) =>
  (bytes: Buffer) =>
    changed(bytes, bytes.lastIndexOf(text) + offset);

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}

/** Of a directory, as an inode has it. */
const modeBytes = (permissions: number) => Buffer.from(Uint16Array.of(0o040000 | permissions).buffer);
/** An extended inode has the number of its links 36 bytes behind its size. */
const sizeBytes = (size: number) => Buffer.from(BigUint64Array.of(BigInt(size)).buffer);
const LINKS_AFTER_SIZE = 36;

export const CUT: Damage = {
  what: 'a file cut to nothing, as after a power cut',
  snapshot: 'base',
  tree: 'truncate -s 0 etc/passwd',
  file: () => Buffer.alloc(0),
  found: [['modified', 'etc/passwd']],
};

export const DAMAGES: readonly Damage[] = [
  CUT,
  {
    what: 'a byte that is another',
    snapshot: 'base',
    tree: 'printf X | dd of=lib/big bs=1 seek=500000 conv=notrunc status=none; touch -d @1700000000 lib/big',
    file: inTar('bigbigbig', 500_000),
    found: [['modified', 'lib/again']],
  },
  {
    what: 'an extended attribute that is gone',
    snapshot: 'base',
    tree: 'setfattr -x user.note etc/passwd',
    file: inMetadata('note'),
    found: [['modified', 'etc/passwd']],
  },
  {
    what: 'a file that is gone',
    snapshot: 'top',
    tree: 'rm lib/new; touch -d @1700000000 lib',
    file: inMetadata('new'),
    found: [['missing', 'lib/new']],
  },
  {
    what: 'a directory that is gone',
    snapshot: 'base',
    tree: 'r=$(stat -c %y .); rm -r lib; touch -d "$r" .',
    file: inMetadata('lib'),
    found: [
      ['missing', 'lib'],
      ['missing', 'lib/again'],
      ['missing', 'lib/big'],
    ],
  },
  {
    what: 'a file that no layer brought',
    snapshot: 'base',
    tree: 'echo x > etc/new; touch -d @1700000000 etc',
    file: (bytes) => Buffer.concat([bytes, Buffer.alloc(4096, 'new')]),
    found: [['added', 'etc/new']],
  },
  {
    what: 'another owner and mode',
    snapshot: 'base',
    tree: 'chown 7:8 etc; chmod 777 etc',
    file: inMetadata(modeBytes(0o2750)),
    found: [['modified', 'etc']],
  },
  {
    what: 'a link that leads elsewhere',
    snapshot: 'base',
    tree: 'r=$(stat -c %y .); ln -sfn /etc link; touch -d "$r" .',
    file: inMetadata('./etc'),
    found: [['modified', 'link']],
  },
  {
    what: 'a hard link that is none any more',
    snapshot: 'base',
    tree: 'cp -p lib/big x; mv x lib/big; touch -d @1700000000 lib',
    file: inMetadata(sizeBytes(BIG), LINKS_AFTER_SIZE),
    found: [['modified', 'lib/big']],
  },
];

/** Damages the directory of a snapshot. @returns the findings of a check */
export function damage(
  backend: BackendName,
  directory: string,
  { snapshot, tree, file, found }: Damage,
): readonly string[][] {
  const layer = join(directory, layerIn(backend));
  if (backend !== 'erofs') {
    execFileSync('sh', ['-c', tree], { cwd: layer });
    return found.map(([kind, path]) => [kind, snapshot, path]);
  }
  writeFileSync(layer, file(readFileSync(layer)));
  return [['layer-file', snapshot, layer]];
}
