import { crc32OfZeros } from '../../base/crc32.js';
import { openCrc32 } from '../../compression/crc32.js';

/** Checksums (CRC-32) of files' contents, each beside the file's inode: it is sent from thread to thread. */
export interface InodeChecksums {
  readonly inodes: Float64Array;
  readonly checksums: Uint32Array;
}

/**
 * Checksums of the files that a layer brings, taken from its bytes as they go by: about 60 bytes of memory a file.
 * By inode, so that it does not matter by which name a file is found in the end.
 */
export class ContentChecksums {
  readonly #crc32 = openCrc32();
  readonly #byInode = new Map<number, number>();
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
    this.#byInode.set(this.#inode, this.#checksum);
  }

  /** What has the inode now is not what the layer brought. */
  forget(inode: number): void {
    this.#byInode.delete(inode);
  }

  all(): InodeChecksums {
    return {
      inodes: Float64Array.from(this.#byInode.keys()),
      checksums: Uint32Array.from(this.#byInode.values()),
    };
  }

  #skipTo(position: number): void {
    if (position > this.#position) this.#checksum = crc32OfZeros(this.#checksum, position - this.#position);
  }
}
