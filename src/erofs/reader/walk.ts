import { DEFAULT_LIMITS, type Limits, limitError } from '../../base/limits.js';
import { CHUNK_INDEX_BYTES, INODE_BYTES } from '../format.js';
import type { ErofsInode } from './inode.js';
import { damaged } from './paged-bytes.js';
import type { ErofsEntry, ErofsReader } from './reader.js';

/** A name of the image, met on a walk. */
export interface WalkedName {
  /** From the root, without a leading slash; '' for the root. */
  readonly path: string;
  readonly inode: ErofsInode;
}

/**
 * Walks the whole tree: the root first, each directory before what it has, names in the order of their bytes. A file with
 * several names comes once for each.
 *
 * A directory that stands at two places, or in itself, is refused. The work is bounded by the size of the file: the
 * metadata of all inodes together can't be larger than the metadata of the image.
 *
 * @throws OverlayerError as `ErofsReader`; `ResourceExhausted`: more names than `maxEntries`
 */
export function* walkErofs(
  image: ErofsReader,
  limits: Pick<Limits, 'maxEntries'> = DEFAULT_LIMITS,
): IterableIterator<WalkedName> {
  const { root } = image;
  const inodes = new MetInodes(image);
  inodes.meet(root);
  yield { path: '', inode: root };
  const open: { readonly prefix: string; readonly entries: Iterator<ErofsEntry> }[] = [
    { prefix: '', entries: image.entries(root) },
  ];
  for (let names = 0; open.length > 0; ) {
    const { prefix, entries } = open.at(-1)!;
    const { value: entry, done } = entries.next();
    if (done === true) {
      open.pop();
      continue;
    }
    if (++names > limits.maxEntries) throw limitError('maxEntries', limits.maxEntries);
    const inode = image.inodeOf(entry);
    inodes.meet(inode);
    const path = `${prefix}${entry.name}`;
    yield { path, inode };
    if (inode.type === 'directory') open.push({ prefix: `${path}/`, entries: image.entries(inode) });
  }
}

/** Bounds the work with an image: no directory has two names, and inodes together have no more bytes than there are. */
export class MetInodes {
  /** Names that have not been met yet, of directories and of files with several names, by nid. */
  readonly #missing = new Map<number, number>();
  #bytesLeft: number;

  constructor({ metadata }: ErofsReader) {
    this.#bytesLeft = metadata.length;
  }

  /** @throws OverlayerError `DataLoss` */
  meet(inode: ErofsInode): void {
    const { nid, type, nlink, offset } = inode;
    const links = type === 'directory' ? 1 : nlink;
    const missing = this.#missing.get(nid);
    if (missing === 0) throw damaged(`a ${type} has more names than links`, offset);
    if (missing !== undefined) {
      this.#missing.set(nid, missing - 1);
      return;
    }
    if (links < 1) throw damaged(`a ${type} has a name and no link`, offset);
    if (links > 1 || type === 'directory') this.#missing.set(nid, links - 1);
    this.#bytesLeft -= metadataBytesOf(inode);
    if (this.#bytesLeft < 0) throw damaged('inodes or directories overlap', offset);
  }
}

/** Bytes that an inode has for itself. The contents of files are shared, as those of a copied hard link. */
function metadataBytesOf({ type, size, xattrBytes, layout }: ErofsInode): number {
  const own = INODE_BYTES + xattrBytes;
  if (layout.kind === 'chunks') return own + Math.ceil(size / layout.chunkBytes) * CHUNK_INDEX_BYTES;
  return type === 'file' ? own : own + size;
}
