import { DATA } from '../../base/threads/gate.js';
import { handleJobs, threadData } from '../../base/threads/worker-thread.js';
import type { Decompressor } from '../../compression/codec.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import { openDecompressor } from '../../compression/open-decompressor.js';
import { findLinuxSystem } from '../../system/linux.js';
import { encodeArchive } from './encode-archive.js';
import { HashedReader } from './hashed-reader.js';
import type { DecodedSource, DecodeInput, DecodeJobs } from './jobs.js';
import { INPUT_READERS, Pipeline, type PipelineMemory } from './pipeline.js';
import { FileSource, MeteredOutput } from './ring-writers.js';
import { SharedDigest } from './shared-digest.js';

/** Deflate expands a byte to at most 1032 bytes, so a bomb is noticed at most 64 MiB late. */
const DECOMPRESS_BYTES = 64 * 1024;
/** So the apply thread finds some bytes to hash whenever it has time. */
const UNHASHED_BYTES = 1024 * 1024;

// The decode thread. It reads the source, detects its format and decompresses it; or it compresses the archive of a
// diff.

/** Undefined where the kernel cannot be called. Layers can be planned there, and no file is to be finished. */
const system = findLinuxSystem();
const pipeline = new Pipeline(threadData<PipelineMemory>());

handleJobs<DecodeJobs>(
  {
    async decode(input) {
      const source = input.file && new FileSource(input.file, pipeline, system);
      try {
        return await decode(input, source);
      } finally {
        source?.close();
      }
    },
    encode: (input) =>
      encodeArchive(
        {
          input: pipeline.input,
          reader: INPUT_READERS.decode,
          output: input.compression === 'none' && !input.isUnpacked ? undefined : pipeline.output,
          count: (bytes) => (pipeline.compressedBytes += bytes),
        },
        input,
      ),
  },
  // The other threads would wait for bytes, or for room, that never come.
  () => pipeline.gate.abort(),
);

async function decode(input: DecodeInput, source: FileSource | undefined): Promise<DecodedSource> {
  const format = detectFormat(readHead(source));
  pipeline.decide(format !== 'none');
  if (format === 'none') {
    while (source?.fill()) {}
    return { compression: 'none', digest: undefined, dataAfterStream: false, provesEnd: false };
  }
  const output = new MeteredOutput(pipeline, system, input.maxRatio);
  const decompressor = await openDecompressor(format, output, input);
  const blob = new BlobReader(source, output, input.hash);
  blob.begin();
  try {
    decompress(blob, decompressor, output);
    const { dataAfterStream, provesEnd } = decompressor;
    return { compression: format, digest: blob.finish(), dataAfterStream, provesEnd };
  } finally {
    blob.abandon();
    decompressor.close();
  }
}

/** Reads the compressed bytes. It fills the ring too, when the source is a file. */
class BlobReader extends HashedReader {
  readonly #source: FileSource | undefined;
  readonly #output: MeteredOutput;

  constructor(source: FileSource | undefined, output: MeteredOutput, hash: boolean) {
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

/** Reads the first bytes of the source; all of them if there are fewer. */
function readHead(source: FileSource | undefined): Uint8Array {
  const { input, gate } = pipeline;
  const { decode } = INPUT_READERS;
  for (;;) {
    const seen = gate.look(DATA);
    const { ended } = input; // read first: the writer publishes before it ends
    const available = input.available(decode);
    if (ended || available >= DETECT_BYTES) return input.bytes.subarray(0, Math.max(available, 0));
    if (source !== undefined) source.fill();
    else gate.wait(DATA, seen);
  }
}

function decompress(blob: BlobReader, decompressor: Decompressor, output: MeteredOutput): void {
  for (;;) {
    const length = blob.wait();
    if (length < 0) break;
    const { start } = blob;
    output.consumed += length;
    decompressor.write(blob.ring.bytes, start, start + length);
    blob.take(length);
  }
  decompressor.end();
  output.end();
}
