import { hasNonZero } from '../../base/has-non-zero.js';
import { decodePath } from '../../base/path-bytes.js';
import { roundUp, XATTR_ENTRY_BYTES, XATTR_HEADER_BYTES, XATTR_PREFIXES } from '../format.js';
import { damaged, foreign } from './paged-bytes.js';

const PREFIXES: ReadonlyMap<number, string> = new Map(
  XATTR_PREFIXES.map(([prefix, index]) => [index, prefix]),
);

/**
 * @param bytes header and attributes, as they follow the inode
 * @param offset where they lie in the file
 * @throws OverlayerError `DataLoss`, `Unimplemented`
 */
export function decodeXattrs(bytes: Buffer, offset: number): ReadonlyMap<string, Uint8Array> {
  if (bytes[4] !== 0) throw foreign('shared extended attributes', offset);
  if (hasNonZero(bytes, 5, XATTR_HEADER_BYTES))
    throw foreign('unknown fields of extended attributes', offset);
  const attributes = new Map<string, Uint8Array>();
  for (let at = XATTR_HEADER_BYTES; at < bytes.length; ) {
    const nameBytes = bytes[at]!;
    const index = bytes[at + 1]!;
    const valueBytes = bytes.readUInt16LE(at + 2);
    const value = at + XATTR_ENTRY_BYTES + nameBytes;
    if (value + valueBytes > bytes.length)
      throw damaged('an extended attribute is longer than its space', offset + at);
    const prefix = PREFIXES.get(index);
    if (prefix === undefined)
      throw foreign(`an extended attribute of the unknown prefix ${index}`, offset + at);
    const name = `${prefix}${decodePath(bytes.subarray(at + XATTR_ENTRY_BYTES, value))}`;
    if (attributes.has(name) || prefix.endsWith('.') !== nameBytes > 0)
      throw damaged('an extended attribute has no name, or one that another has', offset + at);
    attributes.set(name, Uint8Array.from(bytes.subarray(value, value + valueBytes)));
    at = roundUp(value + valueBytes, 4);
  }
  return attributes;
}
