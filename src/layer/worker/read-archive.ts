import { type Limits, limitError } from '../../base/limits.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarSink } from '../../tar/types.js';
import { ArchiveDigest } from './archive-digest.js';
import { type Pipeline, STEP_BYTES } from './pipeline.js';

const BLOCK_MASK = ~511;

export interface ReadArchive {
  readonly decoder: TarDecoder;
  /** Hexadecimal, where it was asked for. */
  readonly diffID: string | undefined;
}

/** Feeds the archive's bytes to a decoder, until they end. */
export function readArchive(
  pipeline: Pipeline,
  sink: TarSink,
  options: { readonly limits: Limits; readonly hash: boolean },
): ReadArchive {
  const { limits, hash } = options;
  const digest = new ArchiveDigest(pipeline);
  if (hash) digest.begin();
  try {
    const { ring, reader } = pipeline.waitArchive();
    const decoder = new TarDecoder(sink, limits);
    for (;;) {
      const available = ring.waitAvailable(reader);
      if (available < 0) break;
      // Whole blocks where possible: the decoder then reads headers in place, without a copy.
      const length = Math.min(available > 512 ? available & BLOCK_MASK : available, STEP_BYTES);
      const start = ring.readIndex(reader);
      if (decoder.position + length > limits.maxBytes)
        throw limitError('maxBytes', limits.maxBytes, { offset: decoder.position });
      decoder.write(ring.bytes, start, start + length);
      digest.require(ring, (ring.released(reader) + length) | 0);
      ring.release(reader, length);
      pipeline.bytes = decoder.position;
      pipeline.entries = decoder.entries;
    }
    decoder.end();
    return { decoder, diffID: digest.end() };
  } catch (error) {
    // The decode thread may be hashing: it has to be out of it before the digest goes.
    digest.abandon();
    throw error;
  }
}
