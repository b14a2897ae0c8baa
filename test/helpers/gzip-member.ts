import { gzipSync } from 'node:zlib';

const HCRC_EXTRA_NAME_COMMENT = 0b11110;

/** A member whose header has every optional field of RFC 1952, as bgzip's and estargz's have some. */
export function gzipMember(body: Uint8Array): Buffer {
  const fixed = Buffer.from([0x1f, 0x8b, 8, HCRC_EXTRA_NAME_COMMENT, 0, 0, 0, 0, 0, 3]);
  const extra = Buffer.concat([Buffer.from([4, 0]), Buffer.from('BC\x00\x00', 'latin1')]);
  const header = Buffer.concat([fixed, extra, Buffer.from('layer.tar\0'), Buffer.from('a comment\0')]);
  const check = Buffer.alloc(2);
  check.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, check, gzipSync(body).subarray(fixed.length)]);
}

/** A member's trailer holds it. */
function crc32(bytes: Uint8Array): number {
  const member = gzipSync(bytes);
  return member.readUInt32LE(member.length - 8);
}
