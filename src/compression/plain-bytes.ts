import { isUint8Array } from 'node:util/types';
import { type AbortableOptions, orAborted } from '../base/abort.js';
import { type ByteSource, readSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import { DEFAULT_LIMITS, limitError, RATIO_GRACE_BYTES } from '../base/limits.js';
import type { ByteOutput } from './codec.js';
import { DETECT_BYTES, detectFormat } from './detect.js';
import { type GzipDecoderName, openDecompressor } from './open-decompressor.js';

/** All output of a step is in memory at once, and one byte of a zstd bomb gives 32 KiB. */
const STEP_BYTES = 4096;
const OUTPUT_BYTES = 256 * 1024;

interface PlainBytesOptions extends AbortableOptions {
  /** @default the fastest that is installed, which takes 20 ms to load */
  readonly gzip?: GzipDecoderName | undefined;
}

/**
 * The uncompressed bytes of a stream: plain, gzip or zstd. It works on the caller's thread in small steps, and serves
 * archives that hold layers; layers themselves are decompressed by worker threads.
 *
 * @throws OverlayerError
 *   - `DataLoss`: the stream is damaged or cut off
 *   - `Unimplemented`: another compression, or zstd where it is not installed
 *   - `ResourceExhausted`: past the default `maxRatio` or `maxWindow`
 *   - `InvalidArgument`: the source gives something else than bytes
 */
export async function* plainBytes(
  source: ByteSource,
  { signal, gzip }: PlainBytesOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const chunks = readChunks(source, signal);
  try {
    const head = await readHead(chunks);
    const format = detectFormat(head);
    if (format === 'none') {
      yield head;
      yield* chunks;
    } else yield* decompress(format, head, chunks, gzip);
  } finally {
    await chunks.return();
  }
}

async function* readChunks(
  source: ByteSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = readSource(source);
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await orAborted(() => reader.next(), signal);
      ended = done === true || value === undefined;
      if (done || value === undefined) return;
      if (!isUint8Array(value))
        throw new OverlayerError('InvalidArgument', `The source gives ${typeof value}, not bytes`);
      yield value;
    }
  } finally {
    if (!ended) reader.cancel();
  }
}

async function readHead(chunks: AsyncGenerator<Uint8Array, void, void>): Promise<Buffer> {
  const head: Uint8Array[] = [];
  for (let length = 0; length < DETECT_BYTES; ) {
    const { done, value } = await chunks.next();
    if (done) break;
    head.push(value);
    length += value.length;
  }
  return Buffer.concat(head);
}

async function* decompress(
  format: 'gzip' | 'zstd',
  head: Buffer,
  chunks: AsyncIterable<Uint8Array>,
  gzip: GzipDecoderName | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  const output = new CollectedOutput();
  const decompressor = await openDecompressor(format, output, { gzip, maxWindow: DEFAULT_LIMITS.maxWindow });
  const write = function* (chunk: Uint8Array): Generator<Uint8Array, void, void> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let at = 0; at < bytes.length; at += STEP_BYTES) {
      const end = Math.min(at + STEP_BYTES, bytes.length);
      output.consumed += end - at;
      withoutOption(() => decompressor.write(bytes, at, end));
      yield* output.takeFull();
    }
    // The next chunk may take long to arrive.
    yield* output.takeAll();
  };
  try {
    yield* write(head);
    for await (const chunk of chunks) yield* write(chunk);
    decompressor.end();
    yield* output.takeAll();
  } finally {
    decompressor.close();
  }
}

/** The limits are fixed here, so the hint of a layer, to raise one, would not help. */
function withoutOption(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!OverlayerError.is(error) || error.code !== 'ResourceExhausted') throw error;
    const { code, message, offset } = error;
    const hint = 'if you trust it, decompress it into a file first, and give that';
    throw new OverlayerError(code, message, { offset, hint });
  }
}

/** Collects the output until it is taken, and enforces `maxRatio`. */
class CollectedOutput implements ByteOutput {
  readonly bytes = Buffer.alloc(OUTPUT_BYTES);
  writeIndex = 0;
  /** Compressed bytes so far. */
  consumed = 0;
  #produced = 0;
  #full: Uint8Array[] = [];

  waitRoom(): number {
    if (this.writeIndex === this.bytes.length) this.#flush();
    return this.bytes.length - this.writeIndex;
  }

  publish(length: number): void {
    const { maxRatio } = DEFAULT_LIMITS;
    this.writeIndex += length;
    this.#produced += length;
    if (this.#produced > RATIO_GRACE_BYTES && this.#produced > this.consumed * maxRatio)
      throw limitError('maxRatio', maxRatio, { offset: this.#produced });
  }

  takeFull(): Uint8Array[] {
    const full = this.#full;
    this.#full = [];
    return full;
  }

  takeAll(): Uint8Array[] {
    if (this.writeIndex > 0) this.#flush();
    return this.takeFull();
  }

  #flush(): void {
    this.#full.push(Buffer.from(this.bytes.subarray(0, this.writeIndex)));
    this.writeIndex = 0;
  }
}
