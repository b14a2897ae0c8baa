import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { unpackTar } from 'modern-tar/fs';

const [layer, dest] = process.argv.slice(2);
// It fails on absolute symlinks, which every root filesystem has; it sets no owners.
const filter = ({ type, linkname }) => type !== 'symlink' || !linkname.startsWith('/');
await pipeline(createReadStream(layer), createGunzip(), unpackTar(dest, { filter }));
