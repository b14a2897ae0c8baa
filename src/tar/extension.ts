import { limitError } from '../base/limits.js';
import { readText } from './header.js';
import { PaxError, type PaxTime, parsePaxInteger, parsePaxTime, visitPaxRecords } from './pax.js';

const XATTR = 'SCHILY.xattr.';
const SPARSE = 'GNU.sparse.';

/** What extended headers say of the entry that follows (or, global ones, of all that follow). */
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
  sparseVersion?: string | undefined;
  sparseName?: string | undefined;
  sparseSize?: number | undefined;
  sparseNumbers?: string[] | undefined;
}

/**
 * Takes the records of one PAX header into `extension`. A record with an empty value unsets what was said
 * before, global headers included. Unknown keys are passed over, as POSIX asks.
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
  visitPaxRecords(bytes, start, end, (key, from, to) => {
    switch (key) {
      case 'path':
        extension.path = from === to ? undefined : text(key, bytes, from, to);
        break;
      case 'linkpath':
        extension.linkPath = from === to ? undefined : text(key, bytes, from, to);
        break;
      case 'size':
      case 'uid':
      case 'gid':
        extension[key] = from === to ? undefined : integer(key, bytes, from, to);
        break;
      case 'mtime':
      case 'atime':
        extension[key] = from === to ? undefined : time(key, bytes, from, to);
        break;
      default:
        if (key.startsWith(XATTR)) {
          xattrBytes += key.length + to - from;
          if (xattrBytes > limit.maxXattrBytes) throw limitError('maxXattrBytes', limit.maxXattrBytes, limit);
          addXattr(extension, key.slice(XATTR.length), Uint8Array.prototype.slice.call(bytes, from, to));
        } else if (key.startsWith(SPARSE)) {
          readSparseRecord(extension, key.slice(SPARSE.length), key, bytes, from, to);
        }
    }
  });
}

/** GNU's records for sparse files ("Storing Sparse Files" in the GNU tar manual). */
function readSparseRecord(
  extension: Extension,
  name: string,
  key: string,
  bytes: Buffer,
  from: number,
  to: number,
): void {
  const value = () => bytes.toString('latin1', from, to);
  switch (name) {
    case 'major':
      extension.sparseVersion = `${value()}.${extension.sparseVersion?.split('.')[1] ?? '0'}`;
      break;
    case 'minor':
      extension.sparseVersion = `${extension.sparseVersion?.split('.')[0] ?? '1'}.${value()}`;
      break;
    case 'name':
      extension.sparseName = text(key, bytes, from, to);
      break;
    case 'size':
    case 'realsize':
      extension.sparseSize = integer(key, bytes, from, to);
      break;
    case 'map':
      extension.sparseNumbers = from === to ? [] : value().split(',');
      break;
    case 'offset':
    case 'numbytes':
      addSparseNumber(extension, name, value());
      break;
    case 'numblocks':
      extension.sparseNumbers ??= [];
      break;
  }
}

/** Local records come before global ones. */
export function mergeExtensions(global: Extension, local: Extension): Extension {
  const xattrs =
    global.xattrs && local.xattrs
      ? new Map([...global.xattrs, ...local.xattrs])
      : (local.xattrs ?? global.xattrs);
  return { ...global, ...local, xattrs };
}

/** Format 0.0 repeats two keys in turn: offset, numbytes, offset, numbytes … */
function addSparseNumber(extension: Extension, name: 'offset' | 'numbytes', value: string): void {
  extension.sparseNumbers ??= [];
  const numbers = extension.sparseNumbers;
  if ((numbers.length % 2 === 0) !== (name === 'offset')) throw new PaxError('sparse map is out of order');
  numbers.push(value);
}

function addXattr(extension: Extension, name: string, value: Uint8Array): void {
  if (name === '' || name.includes('\0')) throw new PaxError('extended attribute has no valid name');
  extension.xattrs ??= new Map();
  extension.xattrs.set(name, value);
}

function text(key: string, bytes: Buffer, start: number, end: number): string {
  const value = readText(bytes, start, end - start);
  if (bytes.subarray(start, end).includes(0)) throw new PaxError(`PAX record "${key}" holds a NUL`);
  return value;
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
