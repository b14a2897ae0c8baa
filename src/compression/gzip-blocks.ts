import { availableParallelism } from 'node:os';
import { type ByteOutput, type Compressor, copyInto } from './codec.js';
import { openCrc32 } from './crc32.js';

/** Bytes of input in a block. A block does not refer to the one before it, which makes the output 0.5 % larger. */
export const BLOCK_BYTES = 1024 ** 2;
/** Blocks that are compressed at a time, at most: libuv's pool has 4 threads. */
const MAX_SLOTS = 4;
/** RFC 1952: deflate, no flags, no time, no name, Unix. Equal input gives equal output. */
const HEADER = Buffer.from('1f8b0800000000000003', 'hex');
/** An empty last block (RFC 1951, 3.2.6). */
const LAST_BLOCK = Buffer.from('0300', 'hex');

/** Compresses blocks on threads of libuv's pool. */
export interface BlockDeflater {
  /**
   * @param input the block, which does not change until this resolves
   * @returns blocks of deflate that end on a byte, none of them the last. They stay valid until the next call
   */
  deflate(input: Buffer): Promise<Buffer>;
}

/** A block on its way. */
class Slot {
  readonly input = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  readonly #deflater: BlockDeflater;
  length = 0;
  compressed: Promise<Buffer> | undefined;

  constructor(deflater: BlockDeflater) {
    this.#deflater = deflater;
  }

  start(): void {
    this.compressed = this.#deflater.deflate(this.input.subarray(0, this.length));
    // `take` throws it, or nothing does after a failure of another block.
    this.compressed.catch(() => {});
  }

  async take(): Promise<Buffer> {
    const bytes = await this.compressed!;
    this.compressed = undefined;
    this.length = 0;
    return bytes;
  }
}

/**
 * gzip on all cores, as pigz does it: blocks of a fixed size are compressed side by side and written in order, so the
 * output depends neither on the number of cores nor on the time that a block takes.
 */
export class GzipBlocks implements Compressor {
  readonly #output: ByteOutput;
  readonly #crc32 = openCrc32();
  readonly #slots: readonly Slot[];
  /** Index of the slot that is filled. The ones behind it, in a circle, hold the oldest blocks. */
  #filling = 0;
  #hasHeader = false;
  #crc = 0;
  #length = 0;

  constructor(output: ByteOutput, open: () => BlockDeflater) {
    this.#output = output;
    const count = Math.min(availableParallelism() + 1, MAX_SLOTS);
    this.#slots = Array.from({ length: count }, () => new Slot(open()));
  }

  async write(input: Buffer, start: number, end: number): Promise<void> {
    this.#crc = this.#crc32(this.#crc, input, start, end);
    this.#length = (this.#length + end - start) % 2 ** 32;
    for (let at = start; at < end; ) {
      const slot = this.#slots[this.#filling]!;
      const taken = Math.min(end - at, BLOCK_BYTES - slot.length);
      input.copy(slot.input, slot.length, at, at + taken);
      slot.length += taken;
      at += taken;
      if (slot.length === BLOCK_BYTES) await this.#startBlock(slot);
    }
  }

  async end(): Promise<void> {
    const slot = this.#slots[this.#filling]!;
    if (slot.length > 0) await this.#startBlock(slot);
    for (let count = 1; count < this.#slots.length; count++) await this.#writeOldest();
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(this.#crc);
    trailer.writeUInt32LE(this.#length, 4);
    this.#put(LAST_BLOCK);
    this.#put(trailer);
  }

  close(): void {}

  /** Starts the block and goes on to the next slot, which is free then. */
  async #startBlock(slot: Slot): Promise<void> {
    slot.start();
    await this.#writeOldest();
  }

  async #writeOldest(): Promise<void> {
    this.#filling = (this.#filling + 1) % this.#slots.length;
    const oldest = this.#slots[this.#filling]!;
    if (oldest.compressed !== undefined) this.#put(await oldest.take());
  }

  #put(bytes: Buffer): void {
    if (!this.#hasHeader) {
      this.#hasHeader = true;
      this.#put(HEADER);
    }
    copyInto(this.#output, bytes, 0, bytes.length);
  }
}
