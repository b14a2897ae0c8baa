import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { SPARSE_FORMATS } from './sparse-members.js';
import {
  characterDevice,
  dir,
  fifo,
  file,
  gnuLongLink,
  gnuLongName,
  hardlink,
  opaque,
  paxGlobal,
  symlink,
  tar,
  whiteout,
} from './tar-builder.js';

const FIXTURES = new URL('../../fixtures/', import.meta.url);

/** An archive that has every feature there is, some of them several times. */
const FEATURES = tar(
  dir('./', { mode: 0o755 }),
  paxGlobal({ comment: 'global', mtime: '1.5' }),
  dir('d', { mode: 0o2750, uid: 1000, gid: 100, xattrs: { 'user.a': 'b' } }),
  file('d/setuid', 'x'.repeat(600), { mode: 0o4755, uid: 1000 }),
  file('d/attributes', '', { xattrs: { 'user.a': 'b'.repeat(300), 'trusted.b': Buffer.from([0, 1, 255]) } }),
  hardlink('d/hard', 'd/setuid'),
  symlink('d/symbolic', 'setuid'),
  symlink('absolute', '/d'),
  file('absolute/through', 'x'),
  hardlink('hard-to-symbolic', 'd/symbolic'),
  gnuLongName(`d/${'gnu/'.repeat(40)}file`),
  file('cut', 'long'),
  gnuLongLink(`d/${'gnu/'.repeat(40)}file`),
  symlink('far', 'cut'),
  file(`d/${'pax/'.repeat(40)}file`, 'long', { pax: { mtime: '1700000000.123456789', atime: '5' } }),
  ...Object.entries(SPARSE_FORMATS).map(([name, sparse]) =>
    sparse(
      `sparse/${name}`,
      9000,
      [0, 1, 2, 3, 4, 5].map((index) => [index * 1500, `island ${index}`] as const),
    ),
  ),
  characterDevice('null', 1, 3, { mode: 0o666 }),
  fifo('pipe'),
  whiteout('d/gone'),
  opaque('sparse'),
  file('d/setuid', 'again'),
  file(Buffer.from('not-utf8-\xff', 'latin1'), 'x'),
);

/** Small archives by many writers, uncompressed, by name. */
export const REAL_LAYERS: readonly (readonly [name: string, archive: Buffer])[] = [
  ['features', FEATURES],
  ...fixtures('tars/', '.tar').map(([name, bytes]) => [name, bytes] as const),
  ...fixtures('image-layers/', '.tar.gz').map(([name, bytes]) => [name, gunzipSync(bytes)] as const),
];

function fixtures(folder: string, extension: string): [name: string, bytes: Buffer][] {
  const path = new URL(folder, FIXTURES);
  return readdirSync(path)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => [name, readFileSync(new URL(name, path))]);
}
