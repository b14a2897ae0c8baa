import { FIELD, type HeaderForm, headerForm } from './block.js';
import type { Extension } from './extension.js';
import { HeaderError, readName, readNumber, readText } from './header.js';
import type { Said } from './header-chain.js';
import type { EntryType, TarEntry } from './types.js';

/** The largest size in ustar. Writers set it, or 0, when a PAX record has the size. */
const USTAR_MAX_SIZE = 0o77777777777;
const MAX_ID = 0xfffffffe; // (uid_t)-1 means "leave it" to chown
const MAX_DEVICE = 0xffffffff;
const OLD_GNU_SPARSE = 0x53;

export function entryName(bytes: Buffer, start: number, { pax, longName }: Said): string {
  return pax.sparseName ?? pax.path ?? longName ?? readName(bytes, start, headerForm(bytes, start));
}

/** Number of bytes that the archive stores for the entry. */
export function entryStoredSize(bytes: Buffer, start: number, { pax }: Said): number {
  return reconcileSize(readNumber(bytes, start, 'size'), pax.size);
}

/**
 * Reads the entry of a header block, with the fields of its extension headers.
 * @throws HeaderError
 */
export function readEntry(
  bytes: Buffer,
  start: number,
  said: Said,
  what: {
    readonly path: string;
    readonly type: EntryType;
    readonly size: number;
    readonly sparse: boolean;
    /** Offset of what follows the header. */
    readonly end: number;
  },
): TarEntry {
  const { pax, longLink, offset } = said;
  const { path, sparse } = what;
  if (path === '') throw new HeaderError('entry has no name');
  const typeflag = bytes[start + FIELD.typeflag[0]]!;
  const type = resolveType(what.type, path, typeflag);
  if (saysSparse(pax)) checkSparseRecords(pax, type, typeflag);
  // Readers agree without a PAX record if a header follows immediately: see `TarDecoder`.
  if (type !== 'file' && pax.size !== undefined && pax.size > 0)
    throw new HeaderError(
      `a ${type} has a size of ${pax.size} by its PAX record: readers disagree on whether a body follows`,
    );
  const isLink = type === 'symlink' || type === 'hardlink';
  const linkPath = isLink
    ? (pax.linkPath ?? longLink ?? readText(bytes, start + FIELD.linkname[0], FIELD.linkname[1]))
    : '';
  if (isLink && linkPath === '') throw new HeaderError(`a ${type} has no target`);
  const { devMajor, devMinor } = readDevice(bytes, start, type, headerForm(bytes, start));
  return {
    path,
    type,
    size: type === 'file' ? what.size : 0,
    mode: readNumber(bytes, start, 'mode') & 0o7777,
    uid: checkId(pax.uid ?? readNumber(bytes, start, 'uid')),
    gid: checkId(pax.gid ?? readNumber(bytes, start, 'gid')),
    mtimeSec: pax.mtime?.sec ?? readNumber(bytes, start, 'mtime'),
    mtimeNsec: pax.mtime?.nsec ?? 0,
    atimeSec: pax.atime?.sec,
    atimeNsec: pax.atime?.nsec,
    linkPath,
    devMajor,
    devMinor,
    xattrs: pax.xattrs,
    sparse: sparse && type === 'file',
    offset,
    dataOffset: what.end,
  };
}

/** v7 marks directories by a slash only. Readers disagree on a slash with the type "file". */
function resolveType(type: EntryType, path: string, typeflag: number): EntryType {
  if (type !== 'file' || !path.endsWith('/')) return type;
  if (typeflag !== 0)
    throw new HeaderError('a file has a name that ends in a slash: readers disagree on what it is');
  return 'directory';
}

function saysSparse(pax: Extension): boolean {
  return (
    pax.sparseName !== undefined ||
    pax.sparseSize !== undefined ||
    pax.sparseMajor !== undefined ||
    pax.sparseMinor !== undefined ||
    pax.sparseBlocks !== undefined ||
    pax.sparsePairs !== undefined ||
    pax.sparseList !== undefined
  );
}

/**
 * Sparse files have a name of their own, which GNU tar reads for each type of entry. Go and Python read it only where they see
 * a sparse file, and Go reads no records for a file of type `S`.
 */
function checkSparseRecords(pax: Extension, type: EntryType, typeflag: number): void {
  if (type !== 'file' || typeflag === OLD_GNU_SPARSE)
    throw new HeaderError(
      `a ${type === 'file' ? 'sparse file of type S' : type} has PAX records of a sparse file: readers disagree on its name`,
    );
  if (pax.sparseSize === undefined)
    throw new HeaderError(
      'it has records of a sparse file, but no full size: readers disagree on its content',
    );
}

function reconcileSize(header: number, pax: number | undefined): number {
  if (pax === undefined || pax === header) return header;
  if ((header === 0 || header === USTAR_MAX_SIZE) && pax > USTAR_MAX_SIZE) return pax;
  throw new HeaderError(
    `its header says ${header} bytes and its PAX record ${pax}: readers disagree on where the next entry begins`,
  );
}

function checkId(id: number): number {
  if (id > MAX_ID) throw new HeaderError(`owner ${id} overflows`);
  return id;
}

function readDevice(
  bytes: Buffer,
  start: number,
  type: EntryType,
  form: HeaderForm,
): { devMajor: number; devMinor: number } {
  if ((type !== 'character-device' && type !== 'block-device') || form === 'v7')
    return { devMajor: 0, devMinor: 0 };
  const devMajor = readNumber(bytes, start, 'devmajor');
  const devMinor = readNumber(bytes, start, 'devminor');
  if (devMajor > MAX_DEVICE || devMinor > MAX_DEVICE) throw new HeaderError('device number overflows');
  return { devMajor, devMinor };
}
