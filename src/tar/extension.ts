import { limitError } from '../base/limits.js';
import { decodePath } from '../base/path-bytes.js';
import { readText } from './header.js';
import { PaxError, type PaxTime, parsePaxInteger, parsePaxTime, visitPaxRecords } from './pax.js';

const XATTR = 'SCHILY.xattr.';
const SPARSE = 'GNU.sparse.';
const KEYS = ['path', 'linkpath', 'size', 'uid', 'gid', 'mtime', 'atime', 'SCHILY.realsize'] as const;
type Key = (typeof KEYS)[number] | typeof XATTR | typeof SPARSE;
/** Keys by their length. The last list is for longer keys, and empty. */
const KEYS_OF_LENGTH = Array.from({ length: 17 }, (_, length) => KEYS.filter((key) => key.length === length));
const EMPTY = new Uint8Array(0);
/** GNU tar's escapes in names of attributes, since a key ends at the first equals sign. */
const ESCAPES: Readonly<Record<string, string>> = { '%3D': '=', '%25': '%' };

/** The fields of extended headers for the next entry, or of global headers for all following entries. */
export interface Extension {
  path?: string | undefined;
  linkPath?: string | undefined;
  size?: number | undefined;
  uid?: number | undefined;
  gid?: number | undefined;
  mtime?: PaxTime | undefined;
  atime?: PaxTime | undefined;
  xattrs?: Map<string, Uint8Array> | undefined;
  /** GNU sparse files, formats 0.0 to 1.0 ("Storing Sparse Files" in the GNU tar manual). */
  sparseMajor?: number | undefined;
  sparseMinor?: number | undefined;
  sparseName?: string | undefined;
  sparseSize?: number | undefined;
  sparseBlocks?: number | undefined;
  /** The map of format 0.0: offsets and lengths in records of their own. */
  sparsePairs?: string[] | undefined;
  /** The map of format 0.1. */
  sparseList?: string[] | undefined;
}

/**
 * Reads the records of one PAX header into `extension`. An owner or time with an empty value unsets earlier values, also of
 * global headers. POSIX has the same rule for names and sizes, but readers disagree: GNU tar and Python read an empty name,
 * libarchive and Python a size of 0. Unknown keys are ignored, as POSIX requires.
 *
 * @throws PaxError
 * @throws OverlayerError `ResourceExhausted` for too many bytes of extended attributes
 */
export function readPaxHeader(
  bytes: Buffer,
  start: number,
  end: number,
  extension: Extension,
  limit: { readonly maxXattrBytes: number; readonly offset: number },
): void {
  let xattrBytes = 0;
  visitPaxRecords(bytes, start, end, (keyStart, from, to) => {
    const key = knownKey(bytes, keyStart, from - 1);
    switch (key) {
      case 'path':
        extension.path = text(key, bytes, from, to);
        break;
      case 'linkpath':
        extension.linkPath = text(key, bytes, from, to);
        break;
      case 'size':
        extension.size = integer(key, bytes, from, to);
        break;
      case 'uid':
      case 'gid':
        extension[key] = from === to ? undefined : integer(key, bytes, from, to);
        break;
      case 'mtime':
      case 'atime':
        extension[key] = from === to ? undefined : time(key, bytes, from, to);
        break;
      case 'SCHILY.realsize':
        throw new PaxError("star's sparse files are not read (PAX record SCHILY.realsize)", {
          code: 'Unimplemented',
        });
      case XATTR:
        xattrBytes += to - keyStart - 1;
        if (xattrBytes > limit.maxXattrBytes) throw limitError('maxXattrBytes', limit.maxXattrBytes, limit);
        addXattr(extension, decodePath(bytes.subarray(keyStart + XATTR.length, from - 1)), bytes, from, to);
        break;
      case SPARSE:
        readSparseRecord(
          extension,
          bytes.toString('latin1', keyStart + SPARSE.length, from - 1),
          bytes,
          from,
          to,
        );
        break;
      default:
        key satisfies undefined;
    }
  });
}

/** The known key, or known prefix of a key, from `start` to `end`. */
function knownKey(bytes: Buffer, start: number, end: number): Key | undefined {
  const length = end - start;
  const keys = KEYS_OF_LENGTH[Math.min(length, KEYS_OF_LENGTH.length - 1)]!;
  for (let index = 0; index < keys.length; index++)
    if (startsWith(bytes, start, keys[index]!)) return keys[index];
  if (length < SPARSE.length) return undefined;
  if (startsWith(bytes, start, SPARSE)) return SPARSE;
  return length >= XATTR.length && startsWith(bytes, start, XATTR) ? XATTR : undefined;
}

function startsWith(bytes: Buffer, start: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text.charCodeAt(at)) return false;
  return true;
}

/** GNU's records for sparse files ("Storing Sparse Files" in the GNU tar manual). */
function readSparseRecord(extension: Extension, name: string, bytes: Buffer, from: number, to: number): void {
  const key = SPARSE + name;
  const value = () => bytes.toString('latin1', from, to);
  switch (name) {
    case 'major':
      extension.sparseMajor = integer(key, bytes, from, to);
      break;
    case 'minor':
      extension.sparseMinor = integer(key, bytes, from, to);
      break;
    case 'name':
      extension.sparseName = text(key, bytes, from, to);
      break;
    case 'size':
    case 'realsize':
      setSparseSize(extension, integer(key, bytes, from, to));
      break;
    case 'map':
      extension.sparseList = from === to ? [] : value().split(',');
      break;
    case 'offset':
    case 'numbytes':
      addSparseNumber(extension, name, value());
      break;
    case 'numblocks':
      extension.sparseBlocks = integer(key, bytes, from, to);
      break;
  }
}

/** The key of an extended attribute's record. */
export function xattrKey(name: string): string {
  return XATTR + name.replace(/[%=]/g, (char) => (char === '=' ? '%3D' : '%25'));
}

/** Formats 0.0 and 0.1 have the key `size`, 1.0 has `realsize`. Each reader prefers another one. */
function setSparseSize(extension: Extension, size: number): void {
  if (extension.sparseSize !== undefined && extension.sparseSize !== size)
    throw new PaxError('sparse file has two full sizes: readers disagree on which one counts');
  extension.sparseSize = size;
}

/** Format 0.0 alternates two keys: offset, numbytes, offset, numbytes … */
function addSparseNumber(extension: Extension, name: 'offset' | 'numbytes', value: string): void {
  extension.sparsePairs ??= [];
  const numbers = extension.sparsePairs;
  if ((numbers.length % 2 === 0) !== (name === 'offset')) throw new PaxError('sparse map is out of order');
  numbers.push(value);
}

function addXattr(extension: Extension, escaped: string, bytes: Buffer, start: number, end: number): void {
  const name = escaped.includes('%')
    ? escaped.replace(/%3D|%25/g, (sequence) => ESCAPES[sequence]!)
    : escaped;
  if (name === '' || name.includes('\0')) throw new PaxError('extended attribute has no valid name');
  extension.xattrs ??= new Map();
  extension.xattrs.set(name, start === end ? EMPTY : Uint8Array.prototype.slice.call(bytes, start, end));
}

function text(key: string, bytes: Buffer, start: number, end: number): string {
  if (start === end) throw new PaxError(`PAX record "${key}" is empty: readers disagree on what that means`);
  for (let at = start; at < end; at++)
    if (bytes[at] === 0) throw new PaxError(`PAX record "${key}" holds a NUL`);
  return readText(bytes, start, end - start);
}

function integer(key: string, bytes: Buffer, start: number, end: number): number {
  const number = parsePaxInteger(bytes, start, end);
  if (number === undefined) throw new PaxError(`PAX record "${key}" is not a whole number in range`);
  return number;
}

function time(key: string, bytes: Buffer, start: number, end: number): PaxTime {
  const parsed = parsePaxTime(bytes, start, end);
  if (parsed === undefined) throw new PaxError(`PAX record "${key}" is not a time`);
  return parsed;
}
