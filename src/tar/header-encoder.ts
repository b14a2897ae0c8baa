import { OverlayerError } from '../base/errors.js';
import { displayPath, encodePath } from '../base/path-bytes.js';
import { BLOCK, FIELD, paddingOf, sumBytes } from './block.js';
import { xattrKey } from './extension.js';
import type { PaxTime } from './pax.js';
import type { EntryType, TarEntry } from './types.js';

/** The header of a member to write. A directory's path ends in a slash. */
export type TarHeader = Omit<TarEntry, 'atimeSec' | 'atimeNsec' | 'sparse' | 'offset' | 'dataOffset'>;

/** Number of zero bytes at the end of an archive. */
export const END_MARKER_BYTES: number = 2 * BLOCK;

const TYPEFLAGS: Readonly<Record<EntryType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
};
const PAX_TYPEFLAG = 'x';
/** The name of a PAX header for readers without PAX, as in Python's tarfile. */
const PAX_NAME = '././@PaxHeader';
const PAX_MODE = 0o644;

/** Bounds of octal numbers with a NUL in fields of 8 and of 12 bytes. */
const SHORT_LIMIT = 8 ** 7;
const LONG_LIMIT = 8 ** 11;

/** Size of a PAX body with a name, a time and similar records. */
const USUAL_PAX_BYTES = BLOCK;

/**
 * Encodes headers into one buffer. Allocating a block for each header took a third of the time of walking a tree.
 *
 * tar-stream supports neither binary attributes nor names that are not UTF-8.
 */
export class HeaderEncoder {
  readonly #block = Buffer.alloc(BLOCK);
  readonly #blocks = Buffer.alloc(2 * BLOCK + USUAL_PAX_BYTES);

  /**
   * Encodes the blocks before a member's content: a ustar header, after a PAX header for values that ustar can't hold.
   * Omits names of users and groups. The same header always gives the same bytes. The next call overwrites the buffer.
   *
   * POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; `SCHILY.xattr` as star and GNU tar write
   * it.
   *
   * @throws OverlayerError `InvalidArgument`: a NUL in a name, a device number that ustar can't hold
   */
  encode(header: TarHeader): Buffer {
    check(header);
    const records = recordsOf(header);
    if (records.length === 0) {
      this.#block.fill(0);
      putHeader(this.#block, 0, header);
      return this.#block;
    }
    const body = paxRecords(records);
    const blocks = this.#room(2 * BLOCK + body.length + paddingOf(body.length)).fill(0);
    putPaxHeader(blocks, body.length);
    body.copy(blocks, BLOCK);
    putHeader(blocks, blocks.length - BLOCK, header);
    return blocks;
  }

  #room(bytes: number): Buffer {
    return bytes === this.#blocks.length ? this.#blocks : Buffer.alloc(bytes);
  }
}

function check(header: TarHeader): void {
  const { path, linkPath, devMajor, devMinor } = header;
  if (path.includes('\0') || linkPath.includes('\0')) throw refused(header, 'its name or target holds a NUL');
  if (devMajor >= SHORT_LIMIT || devMinor >= SHORT_LIMIT)
    throw refused(header, 'no archive holds its device number');
}

function recordsOf(header: TarHeader): PaxRecord[] {
  const { path, linkPath, size, uid, gid, mtimeSec, mtimeNsec, xattrs } = header;
  const records: PaxRecord[] = [];
  // POSIX requires UTF-8 in these, or a record that announces other bytes.
  if (!path.isWellFormed() || !linkPath.isWellFormed()) records.push(['hdrcharset', 'BINARY']);
  if (!fitsText(path, FIELD.name)) records.push(['path', encodePath(path)]);
  if (!fitsText(linkPath, FIELD.linkname)) records.push(['linkpath', encodePath(linkPath)]);
  if (!fitsNumber(size, LONG_LIMIT)) records.push(['size', String(size)]);
  if (!fitsNumber(uid, SHORT_LIMIT)) records.push(['uid', String(uid)]);
  if (!fitsNumber(gid, SHORT_LIMIT)) records.push(['gid', String(gid)]);
  if (mtimeNsec !== 0 || !fitsNumber(mtimeSec, LONG_LIMIT))
    records.push(['mtime', paxTime({ sec: mtimeSec, nsec: mtimeNsec })]);
  if (xattrs !== undefined)
    for (const name of [...xattrs.keys()].sort()) records.push([xattrKey(name), xattrs.get(name)!]);
  return records;
}

function putPaxHeader(blocks: Buffer, size: number): void {
  blocks.write(PAX_NAME, 'latin1');
  putNumber(blocks, 0, FIELD.mode, PAX_MODE);
  for (const field of [FIELD.uid, FIELD.gid, FIELD.mtime]) putNumber(blocks, 0, field, 0);
  putNumber(blocks, 0, FIELD.size, size);
  endHeader(blocks, 0, PAX_TYPEFLAG);
}

/** Values that do not fit have a PAX record: here a name is cut, and a number is 0. */
function putHeader(blocks: Buffer, start: number, header: TarHeader): void {
  putText(blocks, start, FIELD.name, header.path);
  putNumber(blocks, start, FIELD.mode, header.mode);
  putNumber(blocks, start, FIELD.uid, header.uid);
  putNumber(blocks, start, FIELD.gid, header.gid);
  putNumber(blocks, start, FIELD.size, header.size);
  putNumber(blocks, start, FIELD.mtime, header.mtimeSec);
  if (header.linkPath !== '') putText(blocks, start, FIELD.linkname, header.linkPath);
  if (header.type === 'character-device' || header.type === 'block-device') {
    putNumber(blocks, start, FIELD.devmajor, header.devMajor);
    putNumber(blocks, start, FIELD.devminor, header.devMinor);
  }
  endHeader(blocks, start, TYPEFLAGS[header.type]);
}

function endHeader(blocks: Buffer, start: number, typeflag: string): void {
  blocks.write(typeflag, start + FIELD.typeflag[0], 'latin1');
  blocks.write('ustar\x0000', start + FIELD.magic[0], 'latin1');
  const at = start + FIELD.checksum[0];
  blocks.write('        ', at, 'latin1');
  putOctal(blocks, at, 6, sumBytes(blocks, start));
  blocks[at + 6] = 0;
}

/** Offset and length. Indexed by numbers, which is faster, since it is done for every field of every entry. */
type Field = readonly [offset: number, length: number];

function fitsText(text: string, field: Field): boolean {
  // Only in ASCII each character is a byte.
  return text.length <= field[1] && Buffer.byteLength(text) === text.length;
}

function fitsNumber(value: number, limit: number): boolean {
  return value >= 0 && value < limit;
}

function putText(blocks: Buffer, start: number, field: Field, text: string): void {
  if (text.isWellFormed()) blocks.write(text, start + field[0], field[1], 'utf8');
  else encodePath(text).copy(blocks, start + field[0], 0, field[1]);
}

function putNumber(blocks: Buffer, start: number, field: Field, value: number): void {
  const fits = fitsNumber(value, field[1] === 8 ? SHORT_LIMIT : LONG_LIMIT);
  putOctal(blocks, start + field[0], field[1] - 1, fits ? value : 0);
}

function putOctal(blocks: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    blocks[place] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function refused({ path: entry }: TarHeader, why: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Cannot write entry "${displayPath(entry)}": ${why}`, {
    entry,
  });
}

type PaxRecord = readonly [key: string, value: string | Uint8Array];

const EQUALS = Buffer.from('=');
const LINE_FEED = Buffer.from('\n');

/** Encodes the body of an extended header; see `visitPaxRecords`. */
function paxRecords(records: readonly PaxRecord[]): Buffer {
  const parts: Uint8Array[] = [];
  let text = '';
  for (const [key, value] of records) {
    if (typeof value === 'string') {
      text += `${lengthOf(key.length + value.length + 3)} ${key}=${value}\n`; // both are ASCII
      continue;
    }
    const name = encodePath(key);
    const length = lengthOf(name.length + value.length + 3);
    parts.push(Buffer.from(`${text}${length} `), name, EQUALS, value, LINE_FEED);
    text = '';
  }
  const end = Buffer.from(text);
  return parts.length === 0 ? end : Buffer.concat([...parts, end]);
}

/** A record's length includes its own digits. @param rest the number of other bytes, with the space, `=` and line feed */
function lengthOf(rest: number): number {
  const length = rest + String(rest).length;
  return rest + String(length).length;
}

/** Formats decimal seconds without trailing zeros. */
function paxTime({ sec, nsec }: PaxTime): string {
  const isBefore = sec < 0 && nsec > 0;
  const whole = isBefore ? -(sec + 1) : Math.abs(sec);
  const sign = sec < 0 ? '-' : '';
  if (nsec === 0) return `${sign}${whole}`;
  const fraction = String(isBefore ? 1e9 - nsec : nsec).padStart(9, '0');
  return `${sign}${whole}.${fraction.replace(/0+$/, '')}`;
}
