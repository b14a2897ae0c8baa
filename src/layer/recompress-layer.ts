import type { AbortableOptions } from '../base/abort.js';
import type { Limits } from '../base/limits.js';
import { createRingMemory, Ring } from '../base/threads/ring.js';
import type { DiffID, Digest } from '../oci/digest.js';
import { checkLevel } from './diff/create-diff.js';
import { useSource } from './open-source.js';
import type { Compression, LayerProgress, LayerSource } from './options.js';
import { runLayer } from './run-layer.js';
import { crews, drainRing } from './worker/crew.js';

/** The ring from the apply thread to the caller. As large as the others of a crew. */
const RING_BYTES = 4 * 1024 * 1024;

export interface RecompressOptions extends AbortableOptions {
  readonly compression: Compression;
  /** 1 to 9 for gzip, 1 to 22 for zstd. @default as `createDiff` */
  readonly compressionLevel?: number | undefined;
  /** Digest of the source. */
  readonly digest: Digest;
  readonly diffID: DiffID;
  readonly limits?: Partial<Limits> | undefined;
  readonly onProgress?: ((progress: LayerProgress) => void) | undefined;
}

/**
 * Compresses a layer anew, in one pass: one thread decompresses it and hashes its blob, another hashes the archive and
 * compresses it. Yields the bytes of the new blob, which the caller hashes. They are good when the generator has returned.
 *
 * @throws OverlayerError
 *   - `DataLoss`: the source has another digest or diffID
 *   - `ResourceExhausted`: it exceeds a limit (`maxRatio`, `maxWindow`)
 *   - `InvalidArgument`: the level does not exist
 * @throws `signal.reason` when the signal aborts
 */
export async function* recompressLayer(
  source: LayerSource,
  options: RecompressOptions,
): AsyncGenerator<Uint8Array, void> {
  const { compression, compressionLevel: level, signal, ...reading } = options;
  checkLevel(compression, level);
  using crew = await crews.take(signal);
  const { pipeline, apply } = crew.item;
  const memory = createRingMemory(RING_BYTES, 1);
  const ring = new Ring(memory, pipeline.gate);
  ring.reset();
  const work = useSource(source, {}, (found) =>
    runLayer(
      crew.item,
      found,
      { ...reading, signal },
      {
        decodes: false,
        async read() {
          const { diffID } = await apply.run({ type: 'recompress', compression, level, ring: memory });
          return { ...NOT_DECODED, size: pipeline.bytes, diffID };
        },
      },
    ),
  );
  // The threads may not have begun.
  work.catch(() => pipeline.gate.abort());
  try {
    yield* drainRing(crew, ring, 0);
    await work;
  } catch (error) {
    await work; // throws the first thread's error, which tells more
    throw error;
  } finally {
    // The threads share memory, so they must have ended before the next layer. The loop may have been left early.
    pipeline.gate.abort();
    await work.catch(() => {});
  }
}

/** The summary of an archive whose entries were not read. */
const NOT_DECODED = {
  entries: 0,
  whiteouts: 0,
  listsRoot: false,
  endIsMarked: true,
  dataAfterArchive: false,
  holdsImages: false,
  anomalies: [],
} as const;
