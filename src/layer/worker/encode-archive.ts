import type { Ring } from '../../base/threads/ring.js';
import { type ByteOutput, type Compressor, copyInto } from '../../compression/codec.js';
import { openCompressor } from '../../compression/open-compressor.js';
import { openSha256, type Sha256 } from '../../system/sha256.js';
import type { EncodedArchive, EncodeInput } from './jobs.js';
import { STEP_BYTES } from './pipeline.js';

/** Where an archive is read, and where the layer is written. */
export interface EncodeRings {
  /** Has the archive. */
  readonly input: Ring;
  /** The number of this thread among the readers of `input`. */
  readonly reader: number;
  /** Gets the layer. Undefined when it is the archive, which the caller reads from `input`. */
  readonly output: Ring | undefined;
  /** Counts bytes of the layer. */
  count(bytes: number): void;
}

/** An archive that is hashed as it is read. */
export interface HashedArchive {
  readonly ring: Ring;
  /** Index of the unread bytes in the ring's memory. */
  readonly start: number;
  /** Blocks until there are bytes. @returns how many, from `start` on; -1 at the end */
  wait(): number;
  /** That many bytes were read. */
  take(length: number): void;
}

/** Where a compressed archive is written. */
export interface EncodedOutput extends ByteOutput {
  end(): void;
}

/** Hashes and compresses the archive of a diff. */
export async function encodeArchive(rings: EncodeRings, input: EncodeInput): Promise<EncodedArchive> {
  const archive = new RingArchive(rings);
  const output = rings.output && new RingOutput(rings.output, rings, input.compression !== 'none');
  let diffID: string;
  let digest: string;
  try {
    if (output !== undefined) await compressArchive(archive, output, input);
    else
      for (let length = archive.wait(); length >= 0; length = archive.wait()) {
        archive.take(length);
        rings.count(length);
      }
  } finally {
    // Also frees their memory.
    diffID = archive.digest();
    digest = output?.digest() ?? diffID;
  }
  return { diffID, digest };
}

/** Compresses an archive. */
export async function compressArchive(
  archive: HashedArchive,
  output: EncodedOutput,
  { compression, level }: EncodeInput,
): Promise<void> {
  const compressor =
    compression === 'none' ? new Copier(output) : await openCompressor(compression, output, { level });
  try {
    for (let length = archive.wait(); length >= 0; length = archive.wait()) {
      await compressor.write(archive.ring.bytes, archive.start, archive.start + length);
      archive.take(length);
    }
    await compressor.end();
    output.end();
  } finally {
    compressor.close();
  }
}

/** The archive of a diff, which no other thread hashes. */
class RingArchive implements HashedArchive {
  readonly ring: Ring;
  readonly #reader: number;
  readonly #sha256: Sha256 = openSha256();

  constructor({ input, reader }: EncodeRings) {
    this.ring = input;
    this.#reader = reader;
  }

  get start(): number {
    return this.ring.readIndex(this.#reader);
  }

  wait(): number {
    return Math.min(this.ring.waitAvailable(this.#reader), STEP_BYTES);
  }

  take(length: number): void {
    this.#sha256.update(this.ring.bytes, this.start, this.start + length);
    this.ring.release(this.#reader, length);
  }

  digest(): string {
    return this.#sha256.hex();
  }
}

/** Writes the bytes as they are. */
class Copier implements Compressor {
  readonly #output: ByteOutput;

  constructor(output: ByteOutput) {
    this.#output = output;
  }

  async write(input: Buffer, start: number, end: number): Promise<void> {
    copyInto(this.#output, input, start, end);
  }

  async end(): Promise<void> {}

  close(): void {}
}

/** Writes the layer into a ring, and hashes it while it is in the core's cache. */
class RingOutput implements EncodedOutput {
  readonly bytes: Buffer;
  readonly #ring: Ring;
  readonly #rings: EncodeRings;
  readonly #sha256: Sha256 | undefined;

  /** @param hash false when the layer is the archive, which is hashed as it is read */
  constructor(ring: Ring, rings: EncodeRings, hash: boolean) {
    this.#ring = ring;
    this.#rings = rings;
    this.#sha256 = hash ? openSha256() : undefined;
    this.bytes = ring.bytes;
  }

  get writeIndex(): number {
    return this.#ring.writeIndex;
  }

  waitRoom(): number {
    return Math.min(this.#ring.waitRoom(), STEP_BYTES);
  }

  publish(length: number): void {
    const start = this.writeIndex;
    this.#sha256?.update(this.bytes, start, start + length);
    this.#rings.count(length);
    this.#ring.publish(length);
  }

  end(): void {
    this.#ring.end();
  }

  digest(): string | undefined {
    return this.#sha256?.hex();
  }
}
