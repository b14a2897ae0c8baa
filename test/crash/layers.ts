import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

const attributes = { uid: 5, gid: 6, xattrs: { 'user.a': 'b' } };

const many = (prefix: string) =>
  Array.from({ length: 30 }, (_, index) =>
    file(`${prefix}/${index % 5}/file${index}`, `${prefix} ${index} `.repeat(1 + ((index * 97) % 700))),
  );

const LAYERS = {
  base: tar(
    dir('etc', { mode: 0o750, ...attributes }),
    file('etc/file', 'content', { mode: 0o4755, ...attributes }),
    hardlink('etc/link', 'etc/file'),
    symlink('etc/symlink', 'file'),
    file('large', Buffer.alloc(150_000, 'large')),
    ...many('base'),
  ),
  changes: tar(dir('etc', { mode: 0o700 }), whiteout('large'), opaque('base/1'), ...many('changes')),
  small: tar(file('small', 'x'), file('empty'), dir('directory')),
  gzip: gzipSync(tar(...many('zipped'), dir('etc'), file('etc/new', 'y', attributes))),
};

/** Small ones of several kinds, any of which goes upon any other. @returns their paths */
export function writeLayers(directory: string): string[] {
  return Object.entries(LAYERS).map(([name, bytes]) => {
    const path = join(directory, name);
    writeFileSync(path, bytes);
    return path;
  });
}
