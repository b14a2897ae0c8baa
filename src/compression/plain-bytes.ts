import { isUint8Array } from 'node:util/types';
import { type AbortableOptions, orAborted } from '../base/abort.js';
import { type ByteSource, readSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import { DEFAULT_LIMITS, limitError, RATIO_GRACE_BYTES } from '../base/limits.js';
import type { ByteOutput } from './decompressor.js';
import { DETECT_BYTES, detectFormat } from './detect.js';
import { type GzipDecoderName, openDecompressor } from './open-decompressor.js';

/** Small: all that comes of one step is in memory at once, and a bomb of zstd gives 32 KiB for a byte. */
const STEP_BYTES = 4096;
const OUTPUT_BYTES = 256 * 1024;

export interface PlainBytesOptions extends AbortableOptions {
  /** @default the fastest there is, which takes 20 ms to load */
  readonly gzip?: GzipDecoderName | undefined;
}

/**
 * The uncompressed bytes of a stream, whichever of the known compressions it has; of a plain one they are its own.
 * On the caller's thread, in small steps: for archives that hold layers. A layer is decompressed by threads of its own.
 *
 * @throws OverlayerError `DataLoss`, `Unimplemented` as `Decompressor` and `detectFormat`; `ResourceExhausted` past the default `maxRatio` or `maxWindow`;
 *   `InvalidArgument` for a source of something else than bytes
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
    // The next bytes may be long in coming.
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

/** The limits here are fixed: what the hint names for layers is no way out. */
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

/** Keeps copies of what comes out until they are taken, with an eye on how many come from how few. */
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
