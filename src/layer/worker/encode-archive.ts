import type { Ring } from '../../base/threads/ring.js';
import type { ByteOutput, Compressor } from '../../compression/codec.js';
import { openCompressor } from '../../compression/open-compressor.js';
import { openSha256, type Sha256 } from '../../system/sha256.js';
import type { EncodedArchive, EncodeInput } from './jobs.js';
import { INPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';

/** Hashes and compresses the archive that the apply thread writes. */
export async function encodeArchive(
  pipeline: Pipeline,
  { compression, level }: EncodeInput,
): Promise<EncodedArchive> {
  if (compression === 'none') {
    const digest = await hash(pipeline);
    return { digest, diffID: digest };
  }
  const output = new HashedOutput(pipeline);
  const compressor = await openCompressor(compression, output, { level });
  let diffID: string;
  let digest: string;
  try {
    diffID = await hash(pipeline, compressor);
    await compressor.end();
    pipeline.output.end();
  } finally {
    digest = output.digest();
    compressor.close();
  }
  return { diffID, digest };
}

/** @returns the digest of the archive */
async function hash(pipeline: Pipeline, compressor?: Compressor): Promise<string> {
  const { input } = pipeline;
  const { decode } = INPUT_READERS;
  const sha256 = openSha256();
  let digest: string;
  try {
    for (;;) {
      const available = input.waitAvailable(decode);
      if (available < 0) break;
      const length = Math.min(available, STEP_BYTES);
      const start = input.readIndex(decode);
      sha256.update(input.bytes, start, start + length);
      if (compressor !== undefined) await compressor.write(input.bytes, start, start + length);
      else pipeline.compressedBytes += length;
      input.release(decode, length);
    }
  } finally {
    digest = sha256.hex(); // also frees its memory
  }
  return digest;
}

/** Writes compressed bytes into the output ring, and hashes them while they are in the core's cache. */
class HashedOutput implements ByteOutput {
  readonly bytes: Buffer;
  readonly #pipeline: Pipeline;
  readonly #ring: Ring;
  readonly #sha256: Sha256 = openSha256();

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    this.#ring = pipeline.output;
    this.bytes = this.#ring.bytes;
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
    this.#pipeline.compressedBytes += length;
    this.#ring.publish(length);
  }

  digest(): string {
    return this.#sha256.hex();
  }
}
