import { limitError } from '../base/limits.js';
import { decodePath } from '../base/path-bytes.js';
import { PaxError, type PaxTime, parsePaxInteger, parsePaxRecords, parsePaxTime } from './pax.js';
import { parseDecimal } from './sparse.js';

const XATTR = 'SCHILY.xattr.';

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
export function readPaxHeader(bytes: Buffer, extension: Extension, maxXattrBytes: number): void {
  let xattrBytes = 0;
  let minor = '';
  for (const { key, value } of parsePaxRecords(bytes)) {
    switch (key) {
      case 'path':
        extension.path = value.length === 0 ? undefined : text(key, value);
        break;
      case 'linkpath':
        extension.linkPath = value.length === 0 ? undefined : text(key, value);
        break;
      case 'size':
      case 'uid':
      case 'gid':
        extension[key] = value.length === 0 ? undefined : integer(key, value);
        break;
      case 'mtime':
      case 'atime':
        extension[key] = value.length === 0 ? undefined : time(key, value);
        break;
      case 'GNU.sparse.major':
        extension.sparseVersion = `${value.toString('latin1')}.${minor || '0'}`;
        break;
      case 'GNU.sparse.minor':
        minor = value.toString('latin1');
        extension.sparseVersion = `${extension.sparseVersion?.split('.')[0] ?? '1'}.${minor}`;
        break;
      case 'GNU.sparse.name':
        extension.sparseName = text(key, value);
        break;
      case 'GNU.sparse.size':
      case 'GNU.sparse.realsize':
        extension.sparseSize = integer(key, value);
        break;
      case 'GNU.sparse.map':
        extension.sparseNumbers = value.length === 0 ? [] : value.toString('latin1').split(',');
        break;
      case 'GNU.sparse.offset':
      case 'GNU.sparse.numbytes':
        addSparseNumber(extension, key, value.toString('latin1'));
        break;
      case 'GNU.sparse.numblocks':
        parseDecimal(value.toString('latin1'));
        extension.sparseNumbers ??= [];
        break;
      default:
        if (key.startsWith(XATTR)) {
          xattrBytes += key.length + value.length;
          if (xattrBytes > maxXattrBytes) throw limitError('maxXattrBytes', maxXattrBytes);
          addXattr(extension, key.slice(XATTR.length), value);
        }
    }
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
function addSparseNumber(extension: Extension, key: string, value: string): void {
  extension.sparseNumbers ??= [];
  const numbers = extension.sparseNumbers;
  if ((numbers.length % 2 === 0) !== (key === 'GNU.sparse.offset'))
    throw new PaxError('sparse map is out of order');
  numbers.push(value);
}

function addXattr(extension: Extension, name: string, value: Buffer): void {
  if (name === '' || name.includes('\0')) throw new PaxError('extended attribute has no valid name');
  extension.xattrs ??= new Map();
  // The header's buffer is its own, not the decoder's input: no copy is needed.
  extension.xattrs.set(name, value);
}

function text(key: string, value: Buffer): string {
  if (value.includes(0)) throw new PaxError(`PAX record "${key}" holds a NUL`);
  return decodePath(value);
}

function integer(key: string, value: Buffer): number {
  const number = parsePaxInteger(value);
  if (number === undefined) throw new PaxError(`PAX record "${key}" is not a whole number in range`);
  return number;
}

function time(key: string, value: Buffer): PaxTime {
  const parsed = parsePaxTime(value);
  if (parsed === undefined) throw new PaxError(`PAX record "${key}" is not a time`);
  return parsed;
}
