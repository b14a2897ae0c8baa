import { OverlayerError } from '../base/errors.js';
import { encodePath } from '../base/path-bytes.js';
import { MAX_XATTR_VALUE_BYTES, XATTR_ENTRY_BYTES, XATTR_PREFIXES } from './format.js';

/** Bytes of an inode's attributes, without their header and those of both marks. */
const MAX_OWN_BYTES = 262_100;

interface StoredXattr {
  readonly index: number;
  /** The name after its prefix. */
  readonly name: Buffer;
  readonly value: Uint8Array;
}

/**
 * Encodes extended attributes as entries of an inode, in one order for each set of attributes. The header is not
 * included.
 *
 * @param xattrs values by full names; a name needs one of `XATTR_PREFIXES`
 * @throws OverlayerError `InvalidArgument`: an inode has no room for them
 */
export function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array>): Buffer {
  const stored = [...xattrs].map(([name, value]) => storedXattr(name, value)).sort(compare);
  const parts: Uint8Array[] = [];
  for (const { index, name, value } of stored) {
    const header = Buffer.alloc(XATTR_ENTRY_BYTES);
    header[0] = name.length;
    header[1] = index;
    header.writeUInt16LE(value.length, 2);
    parts.push(header, name, value, Buffer.alloc(-(name.length + value.length) & 3));
  }
  const encoded = Buffer.concat(parts);
  if (encoded.length > MAX_OWN_BYTES)
    throw new OverlayerError(
      'InvalidArgument',
      `the extended attributes take ${encoded.length} bytes with their headers, and EROFS stores ${MAX_OWN_BYTES}`,
    );
  return encoded;
}

/** Whether EROFS can store an attribute of this name and size. */
export function isStorable(name: string, valueBytes: number): boolean {
  const prefix = prefixOf(name);
  if (prefix === undefined || valueBytes > MAX_XATTR_VALUE_BYTES) return false;
  return encodePath(name).length - prefix[0].length <= 0xff;
}

function prefixOf(name: string): (typeof XATTR_PREFIXES)[number] | undefined {
  return XATTR_PREFIXES.find(([prefix]) =>
    prefix.endsWith('.') ? name.startsWith(prefix) : name === prefix,
  );
}

function storedXattr(name: string, value: Uint8Array): StoredXattr {
  const prefix = prefixOf(name);
  if (prefix === undefined) throw new RangeError(`EROFS has no prefix for the attribute ${name}`);
  return { index: prefix[1], name: encodePath(name.slice(prefix[0].length)), value };
}

function compare(one: StoredXattr, other: StoredXattr): number {
  return one.index - other.index || Buffer.compare(one.name, other.name);
}

/** overlayfs's marks of a directory (kernel documentation, overlayfs.rst, "whiteouts and opaque directories"). */
export const MARK_XATTRS: Readonly<Record<'opaque' | 'origin', Buffer>> = {
  opaque: encodeXattrs(new Map([['trusted.overlay.opaque', Buffer.from('y')]])),
  origin: encodeXattrs(new Map([['trusted.overlay.origin', new Uint8Array(0)]])),
};
