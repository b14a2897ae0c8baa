/** Checksums (CRC-32) of files' contents, each beside the file's inode: it is sent from thread to thread. */
export interface InodeChecksums {
  /** Of two that are the same, the later one holds. */
  readonly inodes: Float64Array;
  /** -1 where it is not known. */
  readonly checksums: Float64Array;
}

const UNKNOWN = -1;

/**
 * Checksums of the files that a layer brings, in its order: 16 bytes of memory a file. By inode, so that it does not
 * matter by which name a file is found in the end.
 */
export class ContentChecksums {
  // A map would cost the busiest thread 30 ms in a layer of 62,000 entries: whoever looks them up makes it.
  readonly #inodes: number[] = [];
  readonly #checksums: number[] = [];

  note(inode: number, checksum: number): void {
    this.#inodes.push(inode);
    this.#checksums.push(checksum);
  }

  /** What has the inode now is not what the layer brought. */
  forget(inode: number): void {
    this.note(inode, UNKNOWN);
  }

  all(): InodeChecksums {
    return { inodes: Float64Array.from(this.#inodes), checksums: Float64Array.from(this.#checksums) };
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
