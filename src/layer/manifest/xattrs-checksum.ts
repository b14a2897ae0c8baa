import { crc32 } from 'node:zlib';
import { encodePath } from '../../base/path-bytes.js';
import { isOfImage } from '../../rootfs/xattrs.js';
import { isErrno, type System } from '../../system/system.js';

/**
 * Of the extended attributes `names` of a name in an open directory (CRC-32), in their order; 0 where it has none.
 * Those that the host gives to files and takes from them are not among them.
 */
export function xattrsChecksum(
  system: System,
  directory: number,
  file: string,
  names: readonly string[],
): number {
  if (names.length === 0) return 0;
  let checksum = 0;
  for (const name of names.filter(isOfImage).sort()) {
    const value = readValue(system, directory, file, name);
    checksum = crc32(value, crc32(encodePath(`${name}\0${value.length}\0`), checksum));
  }
  return checksum;
}

function readValue(system: System, directory: number, file: string, name: string): Uint8Array {
  try {
    return system.getXattrAt(directory, file, name) ?? new Uint8Array(0);
  } catch (error) {
    // A file that refuses even its owner shows the names.
    if (isErrno(error, 'EACCES')) return new Uint8Array(0);
    throw error;
  }
}
