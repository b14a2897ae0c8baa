import { OverlayerError } from '../base/errors.js';
import { displayPath, encodePath } from '../base/path-bytes.js';
import { BLOCK, FIELD, paddingOf, sumBytes } from './block.js';
import { type PaxRecord, paxRecords, paxTime } from './encode-pax.js';
import type { EntryType, TarEntry } from './types.js';

/** What is said of a member that is to be written. A directory's path ends in a slash. */
export type TarHeader = Omit<TarEntry, 'atimeSec' | 'atimeNsec' | 'sparse' | 'offset'>;

/** So many zeros end an archive. */
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
/** What readers that know no PAX would call it: as Python's tarfile. */
const PAX_NAME = '././@PaxHeader';

/**
 * The blocks before a member's content: ustar, and before it a PAX header for what ustar has no room for. Names of
 * users and groups are left out, and nothing depends on where or when it is written.
 *
 * POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; `SCHILY.xattr` as star and GNU tar write it.
 *
 * @throws OverlayerError `InvalidArgument`: a NUL in a name, a device number that ustar can't hold
 */
export function encodeHeader(header: TarHeader): Buffer {
  for (const name of [header.path, header.linkPath])
    if (name.includes('\0')) throw refused(header, 'its name or target holds a NUL');
  const records = recordsOf(header);
  const block = encodeBlock(header, TYPEFLAGS[header.type]);
  if (records.length === 0) return block;
  const body = paxRecords(records);
  const pax = { ...PAX_HEADER, size: body.length };
  return Buffer.concat([encodeBlock(pax, PAX_TYPEFLAG), body, Buffer.alloc(paddingOf(body.length)), block]);
}

const PAX_HEADER: TarHeader = {
  path: PAX_NAME,
  type: 'file',
  size: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  linkPath: '',
  devMajor: 0,
  devMinor: 0,
  xattrs: undefined,
};

function recordsOf(header: TarHeader): PaxRecord[] {
  const { path, linkPath, size, uid, gid, mtimeSec, mtimeNsec, xattrs } = header;
  const records: PaxRecord[] = [];
  // POSIX wants UTF-8 in these; other bytes are announced.
  if (!path.isWellFormed() || !linkPath.isWellFormed()) records.push(['hdrcharset', 'BINARY']);
  if (!fitsText(path, 'name')) records.push(['path', encodePath(path)]);
  if (!fitsText(linkPath, 'linkname')) records.push(['linkpath', encodePath(linkPath)]);
  if (!fitsNumber(size, 'size')) records.push(['size', String(size)]);
  if (!fitsNumber(uid, 'uid')) records.push(['uid', String(uid)]);
  if (!fitsNumber(gid, 'gid')) records.push(['gid', String(gid)]);
  if (mtimeNsec !== 0 || !fitsNumber(mtimeSec, 'mtime'))
    records.push(['mtime', paxTime({ sec: mtimeSec, nsec: mtimeNsec })]);
  for (const name of [...(xattrs?.keys() ?? [])].sort())
    records.push([`SCHILY.xattr.${name}`, xattrs!.get(name)!]);
  return records;
}

/** What does not fit has a PAX record: of a name the beginning is put, of a number 0. */
function encodeBlock(header: TarHeader, typeflag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  putText(block, 'name', header.path);
  putNumber(block, 'mode', header.mode);
  putNumber(block, 'uid', header.uid);
  putNumber(block, 'gid', header.gid);
  putNumber(block, 'size', header.size);
  putNumber(block, 'mtime', header.mtimeSec);
  block.write(typeflag, FIELD.typeflag[0], 'latin1');
  if (header.linkPath !== '') putText(block, 'linkname', header.linkPath);
  block.write('ustar\x0000', FIELD.magic[0], 'latin1');
  if (header.type === 'character-device' || header.type === 'block-device') {
    for (const field of ['devMajor', 'devMinor'] as const)
      if (!fitsNumber(header[field], 'devmajor')) throw refused(header, 'no archive holds its device number');
    putNumber(block, 'devmajor', header.devMajor);
    putNumber(block, 'devminor', header.devMinor);
  }
  putChecksum(block);
  return block;
}

function fitsText(text: string, field: 'name' | 'linkname'): boolean {
  // In ASCII, and only there, each character is a byte.
  return text.length <= FIELD[field][1] && Buffer.byteLength(text) === text.length;
}

/** Octal digits, and a NUL after them. */
function fitsNumber(value: number, field: keyof typeof FIELD): boolean {
  return value >= 0 && value < 8 ** (FIELD[field][1] - 1);
}

function putText(block: Buffer, field: 'name' | 'linkname', text: string): void {
  const [offset, length] = FIELD[field];
  if (fitsText(text, field)) block.write(text, offset, 'latin1');
  else encodePath(text).copy(block, offset, 0, length);
}

function putNumber(block: Buffer, field: keyof typeof FIELD, value: number): void {
  const [offset, length] = FIELD[field];
  putOctal(block, offset, length - 1, fitsNumber(value, field) ? value : 0);
}

function putChecksum(block: Buffer): void {
  const [offset, length] = FIELD.checksum;
  block.fill(0x20, offset, offset + length);
  putOctal(block, offset, length - 2, sumBytes(block, 0));
  block[offset + length - 2] = 0;
}

function putOctal(block: Buffer, offset: number, digits: number, value: number): void {
  let rest = value;
  for (let at = offset + digits - 1; at >= offset; at--) {
    block[at] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
}

function refused({ path: entry }: TarHeader, why: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `Cannot write entry "${displayPath(entry)}": ${why}`, {
    entry,
  });
}
