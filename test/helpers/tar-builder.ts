/**
 * Archives byte by byte, hostile ones included: each function gives the blocks of one member, `tar` puts them
 * together. Nothing here checks anything, and nothing is shared with the decoder under test.
 */

/** A number as octal digits; as base-256 (GNU, for large and negative ones); or bytes as they are. */
export type Numeric = number | { readonly base256: number | bigint } | { readonly raw: string };

/** Text, or bytes that are none. */
export type Name = string | Uint8Array;

export interface HeaderFields {
  readonly name?: Name;
  readonly type?: string;
  readonly mode?: Numeric;
  readonly uid?: Numeric;
  readonly gid?: Numeric;
  readonly size?: Numeric;
  readonly mtime?: Numeric;
  readonly linkname?: Name;
  /** Magic and version together: 8 bytes. @default that of POSIX ustar */
  readonly magic?: string;
  readonly devmajor?: Numeric;
  readonly devminor?: Numeric;
  readonly prefix?: string;
  /** Instead of the right one. */
  readonly checksum?: Numeric;
  /** Last change before the checksum is taken: what no field covers. */
  readonly patch?: (block: Buffer) => void;
}

/** Attributes of a member; what ustar has no room for goes into a PAX header before it. */
export interface Attributes {
  readonly mode?: Numeric;
  readonly uid?: Numeric;
  readonly gid?: Numeric;
  readonly mtime?: Numeric;
  /** Further PAX records. */
  readonly pax?: Readonly<Record<string, string>>;
  readonly xattrs?: Readonly<Record<string, string | Uint8Array>>;
}

const POSIX_MAGIC = 'ustar\x0000';
export const GNU_MAGIC = 'ustar  \0';
/** 2023-11-14T22:13:20Z */
export const MTIME = 1_700_000_000;

const BLOCK = 512;

export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(BLOCK);
  text(block, 0, 100, fields.name ?? '');
  numeric(block, 100, 8, fields.mode ?? 0o644);
  numeric(block, 108, 8, fields.uid ?? 0);
  numeric(block, 116, 8, fields.gid ?? 0);
  numeric(block, 124, 12, fields.size ?? 0);
  numeric(block, 136, 12, fields.mtime ?? MTIME);
  block.fill(0x20, 148, 156);
  text(block, 156, 1, fields.type ?? '0');
  text(block, 157, 100, fields.linkname ?? '');
  text(block, 257, 8, fields.magic ?? POSIX_MAGIC);
  numeric(block, 329, 8, fields.devmajor ?? 0);
  numeric(block, 337, 8, fields.devminor ?? 0);
  text(block, 345, 155, fields.prefix ?? '');
  fields.patch?.(block);
  const sum = block.reduce((total, byte) => total + byte, 0);
  numeric(block, 148, 8, fields.checksum ?? { raw: `${sum.toString(8).padStart(6, '0')}\0 ` });
  return block;
}

/** A header and its body, padded. The size is the body's unless `fields` lies about it. */
export function member(fields: HeaderFields, body: string | Uint8Array = ''): Buffer {
  const bytes = Buffer.from(body as string);
  return Buffer.concat([header({ size: bytes.length, ...fields }), padded(bytes)]);
}

export function file(name: Name, content: string | Uint8Array = '', attributes: Attributes = {}): Buffer {
  return described(name, '', attributes, { type: '0' }, content);
}

export function dir(name: Name, attributes: Attributes = {}): Buffer {
  return described(name, '', { mode: 0o755, ...attributes }, { type: '5' });
}

export function symlink(name: Name, target: Name, attributes: Attributes = {}): Buffer {
  return described(name, target, { mode: 0o777, ...attributes }, { type: '2' });
}

export function hardlink(name: Name, target: Name, attributes: Attributes = {}): Buffer {
  return described(name, target, attributes, { type: '1' });
}

export function characterDevice(
  name: string,
  devmajor: Numeric,
  devminor: Numeric,
  attributes: Attributes = {},
): Buffer {
  return described(name, '', attributes, { type: '3', devmajor, devminor });
}

export function fifo(name: string, attributes: Attributes = {}): Buffer {
  return described(name, '', attributes, { type: '6' });
}

/** Deletes `path` of the lower layers. */
export function whiteout(path: string): Buffer {
  const at = path.lastIndexOf('/') + 1;
  return file(`${path.slice(0, at)}.wh.${path.slice(at)}`, '', { mode: 0 });
}

/** Deletes what the lower layers have in `directory` ('' is the root). */
export function opaque(directory: string): Buffer {
  return file(`${directory}${directory === '' ? '' : '/'}.wh..wh..opq`, '', { mode: 0 });
}

/** A PAX header for the member that follows. */
export function pax(records: Readonly<Record<string, string | Uint8Array>>): Buffer {
  return paxBytes(Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value))));
}

/** A PAX header that holds just these bytes. */
export function paxBytes(bytes: string | Uint8Array, type: 'x' | 'g' = 'x'): Buffer {
  return member({ name: 'PaxHeaders/member', type }, bytes);
}

export function paxGlobal(records: Readonly<Record<string, string>>): Buffer {
  return paxBytes(Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value))), 'g');
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
export function paxRecord(key: string, value: string | Uint8Array): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export function gnuLongName(name: string): Buffer {
  return member({ name: '././@LongLink', type: 'L', magic: GNU_MAGIC }, `${name}\0`);
}

export function gnuLongLink(target: string): Buffer {
  return member({ name: '././@LongLink', type: 'K', magic: GNU_MAGIC }, `${target}\0`);
}

export function zeros(blocks: number): Buffer {
  return Buffer.alloc(blocks * BLOCK);
}

/** An archive: the members, then its end marker. */
export function tar(...members: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...members, zeros(2)]);
}

/** Bytes filled up to whole blocks with zeros. */
export function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

function described(
  name: Name,
  linkname: Name,
  { mode, uid, gid, mtime, pax: extra, xattrs }: Attributes,
  fields: HeaderFields,
  body: string | Uint8Array = '',
): Buffer {
  const records: Record<string, string | Uint8Array> = { ...extra };
  if (Buffer.byteLength(name) > 100) records['path'] = name;
  if (Buffer.byteLength(linkname) > 100) records['linkpath'] = linkname;
  for (const [key, value] of Object.entries(xattrs ?? {})) records[`SCHILY.xattr.${key}`] = value;
  const given = Object.entries({ mode, uid, gid, mtime }).filter(([, value]) => value !== undefined);
  const block = member({ name, linkname, ...Object.fromEntries(given), ...fields }, body);
  return Object.keys(records).length === 0 ? block : Buffer.concat([pax(records), block]);
}

/** Cut off where the field ends, as writers do. */
function text(block: Buffer, offset: number, length: number, value: string | Uint8Array): void {
  Buffer.from(value as string).copy(block, offset, 0, length);
}

function numeric(block: Buffer, offset: number, length: number, value: Numeric): void {
  if (typeof value === 'number') {
    text(block, offset, length, `${value.toString(8).padStart(length - 1, '0')}\0`);
  } else if ('raw' in value) {
    block.fill(0, offset, offset + length);
    text(block, offset, length, Buffer.from(value.raw, 'latin1'));
  } else {
    let rest = BigInt.asUintN(length * 8, BigInt(value.base256));
    for (let at = offset + length - 1; at >= offset; at--, rest >>= 8n) block[at] = Number(rest & 0xffn);
    block[offset]! |= 0x80;
  }
}
