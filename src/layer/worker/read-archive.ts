import { type Limits, limitError } from '../../base/limits.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarSink } from '../../tar/types.js';
import { HashedReader } from './hashed-reader.js';
import { ImageWatch } from './image-watch.js';
import type { ArchiveSummary } from './jobs.js';
import type { PendingFiles } from './pending-files.js';
import { INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

const BLOCK_MASK = ~511;

/** Reads the archive for the apply thread, which meanwhile finishes files and helps to hash the compressed bytes. */
export class ArchiveReader extends HashedReader {
  /** The digest of the compressed bytes, for which the decode thread has less time. */
  readonly #blobDigest: SharedDigest | undefined;
  readonly #files: PendingFiles | undefined;

  /** @param files those that need bytes of the ring until they are finished; undefined when none is written */
  constructor(pipeline: Pipeline, hash: boolean, files?: PendingFiles) {
    const { input, inputDigest, outputDigest, gate } = pipeline;
    const compressed = pipeline.waitCompressed();
    const ring = pipeline.waitArchive();
    const reader = compressed ? OUTPUT_READERS.apply : INPUT_READERS.apply;
    super(ring, reader, gate, new SharedDigest(ring, compressed ? outputDigest : inputDigest), hash);
    this.#blobDigest = compressed ? new SharedDigest(input, inputDigest) : undefined;
    this.#files = files;
  }

  protected override limit(available: number): number {
    // Whole blocks where possible: the decoder then reads headers in place, without a copy.
    const length = Math.min(available > 512 ? available & BLOCK_MASK : available, STEP_BYTES);
    this.#files?.expect(this.taken, (this.taken + length) | 0);
    return length;
  }

  protected override work(): boolean {
    return (this.#files?.work() || this.#blobDigest?.help()) ?? false;
  }

  protected override rest(): void {}

  protected override keptFrom(): number {
    return this.#files?.neededFrom(this.taken) ?? this.taken;
  }

  override finish(): string | undefined {
    this.#files?.finish();
    return super.finish();
  }

  override abandon(): void {
    this.#files?.abandon();
    super.abandon();
  }
}

/** Decodes the whole archive into `sink`. */
export function readArchive(
  pipeline: Pipeline,
  archive: ArchiveReader,
  sink: TarSink,
  limits: Limits,
): Pick<ArchiveSummary, 'size' | 'diffID' | 'entries' | 'endIsMarked' | 'dataAfterArchive' | 'holdsImages'> {
  archive.begin();
  try {
    const watch = new ImageWatch(sink);
    const decoder = new TarDecoder(watch, limits);
    for (;;) {
      const length = archive.wait();
      if (length < 0) break;
      const { start } = archive;
      if (decoder.position + length > limits.maxBytes)
        throw limitError('maxBytes', limits.maxBytes, { offset: decoder.position });
      decoder.write(archive.ring.bytes, start, start + length);
      archive.take(length);
      pipeline.bytes = decoder.position;
      pipeline.entries = decoder.entries;
    }
    const endIsMarked = decoder.end({ requireMarker: false });
    const { position: size, entries, dataAfterArchive } = decoder;
    const { holdsImages } = watch;
    return { size, entries, endIsMarked, dataAfterArchive, holdsImages, diffID: archive.finish() };
  } catch (error) {
    archive.abandon();
    throw error;
  }
}
