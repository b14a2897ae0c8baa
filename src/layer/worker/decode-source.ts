import { DATA } from '../../base/threads/gate.js';
import { DETECT_BYTES, detectFormat, type StreamFormat } from '../../compression/detect.js';
import { openDecompressor } from '../../compression/open-decompressor.js';
import type { System } from '../../system/system.js';
import { HashedReader } from './hashed-reader.js';
import type { DecodedSource, DecodeInput } from './jobs.js';
import { type Alone, INPUT_READERS, type Pipeline } from './pipeline.js';
import { FileSource, MeteredOutput, Room } from './ring-writers.js';
import { SharedDigest } from './shared-digest.js';

/** Deflate expands a byte to at most 1032 bytes, so a bomb is noticed at most 64 MiB late. */
const DECOMPRESS_BYTES = 64 * 1024;
/** So the apply thread finds some bytes to hash whenever it has time. */
const UNHASHED_BYTES = 1024 * 1024;

/** Reads the source of a layer, detects its format, and decompresses it. */
export class SourceDecoder implements Disposable {
  readonly #pipeline: Pipeline;
  readonly #system: System | undefined;
  readonly #input: DecodeInput;
  readonly #file: FileSource | undefined;

  /**
   * @param system undefined where the kernel cannot be called. Layers can be planned there, and no file is to be finished
   * @throws OverlayerError `NotFound`, `PermissionDenied`, `Internal`: the file cannot be opened
   */
  constructor(pipeline: Pipeline, system: System | undefined, input: DecodeInput) {
    this.#pipeline = pipeline;
    this.#system = system;
    this.#input = input;
    this.#file = input.file && new FileSource(input.file, pipeline, system);
  }

  /** Reads the first bytes, and decides which ring has the archive. @throws OverlayerError as `detectFormat` */
  detect(): StreamFormat {
    const format = detectFormat(this.#readHead());
    this.#pipeline.decide(format !== 'none');
    return format;
  }

  /** Reads and decompresses all bytes. @throws OverlayerError as `openDecompressor` and `Decompressor` */
  async decode(format: StreamFormat): Promise<DecodedSource> {
    const { alone } = this.#pipeline;
    if (format !== 'none') return await this.#decompress(format);
    while (this.#file?.fill()) if (alone !== undefined) await takeTurn(alone);
    return { compression: 'none', digest: undefined, dataAfterStream: false, provesEnd: false };
  }

  /** Does a part of the apply thread's work, until that has read the archive. */
  help(): void {
    new Room(this.#pipeline.waitArchive(), this.#pipeline, this.#system).help();
  }

  [Symbol.dispose](): void {
    this.#file?.close();
  }

  /** Reads the first bytes of the source; all of them if there are fewer. */
  #readHead(): Uint8Array {
    const { input, gate } = this.#pipeline;
    const { decode } = INPUT_READERS;
    for (;;) {
      const seen = gate.look(DATA);
      const { ended } = input; // read first: the writer publishes before it ends
      const available = input.available(decode);
      if (ended || available >= DETECT_BYTES) return input.bytes.subarray(0, Math.max(available, 0));
      if (this.#file !== undefined) this.#file.fill();
      else gate.wait(DATA, seen);
    }
  }

  async #decompress(format: 'gzip' | 'zstd'): Promise<DecodedSource> {
    const { alone } = this.#pipeline;
    const output = new MeteredOutput(this.#pipeline, this.#system, this.#input.maxRatio);
    const decompressor = await openDecompressor(format, output, this.#input);
    const blob = new BlobReader(this.#pipeline, this.#file, output, this.#input.hash);
    blob.begin();
    try {
      for (let length = blob.wait(); length >= 0; length = blob.wait()) {
        const { start } = blob;
        output.consumed += length;
        decompressor.write(blob.ring.bytes, start, start + length);
        blob.take(length);
        if (alone !== undefined) await takeTurn(alone);
      }
      decompressor.end();
      output.end();
      const { dataAfterStream, provesEnd } = decompressor;
      return { compression: format, digest: blob.finish(), dataAfterStream, provesEnd };
    } finally {
      blob.abandon();
      decompressor.close();
    }
  }
}

/** Reads the compressed bytes. It fills the ring too, when the source is a file. */
class BlobReader extends HashedReader {
  readonly #source: FileSource | undefined;
  readonly #output: MeteredOutput;

  constructor(pipeline: Pipeline, source: FileSource | undefined, output: MeteredOutput, hash: boolean) {
    const { input, gate } = pipeline;
    super(input, INPUT_READERS.decode, gate, SharedDigest.of(pipeline, input), { hash, lag: UNHASHED_BYTES });
    this.#source = source;
    this.#output = output;
  }

  protected override limit(available: number): number {
    return Math.min(available, DECOMPRESS_BYTES);
  }

  protected override work(): boolean {
    return this.#source?.fill() ?? false;
  }

  protected override rest(): void {
    this.#output.flush();
  }

  protected override keptFrom(): number {
    return this.taken;
  }
}

/** Reads the bytes that are decoded. Then the event loop runs, if other work may wait for it. */
async function takeTurn(alone: Alone): Promise<void> {
  alone.consume();
  await alone.pause?.();
}
