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

/** Hashes and compresses an archive. */
export async function encodeArchive(
  rings: EncodeRings,
  { compression, level }: EncodeInput,
): Promise<EncodedArchive> {
  if (rings.output === undefined) {
    const digest = await hash(rings);
    return { digest, diffID: digest };
  }
  const output = new HashedOutput(rings.output, rings);
  const compressor =
    compression === 'none' ? new Copier(output) : await openCompressor(compression, output, { level });
  let diffID: string;
  let digest: string;
  try {
    diffID = await hash(rings, compressor);
    await compressor.end();
    rings.output.end();
  } finally {
    digest = output.digest();
    compressor.close();
  }
  return { diffID, digest };
}

/** @returns the digest of the archive */
async function hash({ input, reader, count }: EncodeRings, compressor?: Compressor): Promise<string> {
  const sha256 = openSha256();
  let digest: string;
  try {
    for (;;) {
      const available = input.waitAvailable(reader);
      if (available < 0) break;
      const length = Math.min(available, STEP_BYTES);
      const start = input.readIndex(reader);
      sha256.update(input.bytes, start, start + length);
      if (compressor !== undefined) await compressor.write(input.bytes, start, start + length);
      else count(length);
      input.release(reader, length);
    }
  } finally {
    digest = sha256.hex(); // also frees its memory
  }
  return digest;
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
class HashedOutput implements ByteOutput {
  readonly bytes: Buffer;
  readonly #ring: Ring;
  readonly #rings: EncodeRings;
  readonly #sha256: Sha256 = openSha256();

  constructor(ring: Ring, rings: EncodeRings) {
    this.#ring = ring;
    this.#rings = rings;
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
    this.#sha256.update(this.bytes, start, start + length);
    this.#rings.count(length);
    this.#ring.publish(length);
  }

  digest(): string {
    return this.#sha256.hex();
  }
}
