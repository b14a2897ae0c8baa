import { crc32OfZeros } from '../../base/crc32.js';
import { openCrc32 } from '../../compression/crc32.js';

/** Checksums (CRC-32) of files' contents, each beside the file's inode: it is sent from thread to thread. */
export interface InodeChecksums {
  /** Of two that are the same, the later one holds. */
  readonly inodes: Float64Array;
  /** -1 where it is not known. */
  readonly checksums: Float64Array;
}

const UNKNOWN = -1;

/**
 * Checksums of the files that a layer brings, taken from its bytes as they go by: 16 bytes of memory a file. By inode,
 * so that it does not matter by which name a file is found in the end.
 */
export class ContentChecksums {
  readonly #crc32 = openCrc32();
  // A map would cost the busiest thread 30 ms in a layer of 62,000 entries: whoever looks them up makes it.
  readonly #inodes: number[] = [];
  readonly #checksums: number[] = [];
  #inode = 0;
  #checksum = 0;
  #position = 0;

  begin(inode: number): void {
    this.#inode = inode;
    this.#checksum = 0;
    this.#position = 0;
  }

  /** Ranges come in order; a gap is a hole. */
  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    this.#skipTo(position);
    this.#checksum = this.#crc32(this.#checksum, bytes, start, end);
    this.#position = position + (end - start);
  }

  end(size: number): void {
    this.#skipTo(size);
    this.#note(this.#inode, this.#checksum);
  }

  /** What has the inode now is not what the layer brought. */
  forget(inode: number): void {
    this.#note(inode, UNKNOWN);
  }

  all(): InodeChecksums {
    return { inodes: Float64Array.from(this.#inodes), checksums: Float64Array.from(this.#checksums) };
  }

  #note(inode: number, checksum: number): void {
    this.#inodes.push(inode);
    this.#checksums.push(checksum);
  }

  #skipTo(position: number): void {
    if (position > this.#position) this.#checksum = crc32OfZeros(this.#checksum, position - this.#position);
  }
}

/** The known ones. */
export function checksumsByInode({ inodes, checksums }: InodeChecksums): ReadonlyMap<number, number> {
  const map = new Map<number, number>();
  for (const [index, inode] of inodes.entries()) {
    const checksum = checksums[index]!;
    if (checksum === UNKNOWN) map.delete(inode);
    else map.set(inode, checksum);
  }
  return map;
}
