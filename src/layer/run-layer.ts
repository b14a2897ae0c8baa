import { isUint8Array } from 'node:util/types';
import { type OpenedBytes, readSource, type UnreadSource } from '../base/byte-source.js';
import { checkChoice, describe } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { resolveLimits } from '../base/limits.js';
import { GZIP_DECODERS } from '../compression/open-decompressor.js';
import { parseDigest } from '../oci/digest.js';
import { checkLayer } from './check-layer.js';
import { type FoundSource, openSource } from './open-source.js';
import type { GzipDecoder, LayerResult, PlanLayerOptions, ReadLayerOptions } from './options.js';
import type { Anomaly, AnomalySummary } from './plan/anomaly.js';
import { type Crew, settleAll } from './worker/crew.js';
import type { ArchiveSummary, DecodeInput, ExpectedLayer, Read } from './worker/jobs.js';
import { type Pipeline, reportProgress } from './worker/pipeline.js';

/** A large buffer is copied in pieces, so that the caller's event loop runs in between. */
const PIECE_BYTES = 256 * 1024;

/** The part of a layer that reads its archive. */
interface ReadArchive {
  /** Whether it can decode the layer, too, as in the caller's thread. If it cannot, it needs no help either. */
  readonly decodes: boolean;
  /** Whether it decodes a large file, too. Two threads take less time, and about 10 % more processor time. */
  readonly decodesFiles?: boolean;
  /** @param expected for a part that commits the layer: it has to check it before */
  read(
    hash: boolean,
    decode: DecodeInput | undefined,
    expected: ExpectedLayer,
  ): Promise<Read<ArchiveSummary>>;
}

/**
 * Runs one layer through a crew: from its source through the decode and apply threads, until all of them have answered.
 *
 * @param archive asks for the part that reads the archive, and decodes the source if `decode` is set
 * @throws the first thread's error; `signal.reason` when the signal ended it
 */
export async function runLayer(
  crew: Crew,
  source: FoundSource,
  options: PlanLayerOptions,
  archive: ReadArchive,
): Promise<LayerResult> {
  const { signal } = options;
  const wanted = checkReading(options);
  const { pipeline } = crew;
  const { file, bytes, compressedSize, diffID: statedDiffID } = openSource(source);
  pipeline.reset();
  const onAbort = () => pipeline.gate.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const progress = reportProgress(pipeline, compressedSize, options.onProgress, () => stop());
  try {
    signal?.throwIfAborted();
    const { hash, gzip } = wanted;
    const { digest, diffID, allowEmpty = false } = options;
    const expected = { digest, diffID, statedDiffID, hash, allowEmpty };
    const { maxRatio, maxWindow } = resolveLimits(options.limits);
    const decode = { file, gzip, maxRatio, maxWindow, hash, helps: archive.decodes };
    const decodesFile = archive.decodesFiles === true && file !== undefined;
    const inOneThread = archive.decodes && (decodesFile || crew.inCallersThread);
    const feeding = bytes && feed(bytes, pipeline, { stopped, unread: options.unreadSource });
    if (inOneThread) await feeding;
    const [summary, decodedApart] = await settleAll(
      pipeline.gate,
      [
        archive.read(hash, inOneThread ? decode : undefined, expected), // begins first: it prepares more
        inOneThread ? undefined : crew.decode.run({ type: 'decode', ...decode }),
        feeding,
      ] as const,
      stop,
    );
    const decoded = (summary.decoded ?? decodedApart)!;
    const digests = checkLayer(expected, summary, decoded);
    const { size, entries, whiteouts, listsRoot } = summary;
    const { compression } = decoded;
    const anomalies = [...summary.anomalies, ...streamAnomalies(decoded, summary)];
    const { compressedBytes } = pipeline;
    return {
      ...digests,
      compression,
      size,
      compressedSize: compressedBytes,
      entries,
      whiteouts,
      listsRoot,
      anomalies,
    };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw progress.failure() ?? error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
    progress.end();
  }
}

/** @throws OverlayerError `InvalidArgument` */
function checkReading(options: ReadLayerOptions): {
  readonly hash: boolean;
  readonly gzip: GzipDecoder | undefined;
} {
  const { digest, diffID, digests = 'compute', unreadSource = 'destroy' } = options;
  checkChoice('digests', digests, ['compute', 'skip']);
  checkChoice('unreadSource', unreadSource, ['destroy', 'leave']);
  for (const wanted of [digest, diffID]) {
    if (wanted === undefined) continue;
    parseDigest(wanted);
    if (digests === 'skip')
      throw new OverlayerError('InvalidArgument', 'A digest cannot be verified when digests are skipped');
  }
  const gzip = options.gzip ?? process.env['OVERLAYER_GZIP'];
  if (gzip !== undefined) checkChoice('gzip', gzip, GZIP_DECODERS);
  return { hash: digests === 'compute', gzip: gzip as GzipDecoder | undefined };
}

function streamAnomalies(
  { dataAfterStream }: { readonly dataAfterStream: boolean },
  { dataAfterArchive, endIsMarked }: ArchiveSummary,
): AnomalySummary[] {
  const found: Anomaly['kind'][] = [];
  if (dataAfterStream) found.push('data-after-stream');
  if (dataAfterArchive) found.push('data-after-archive');
  if (!endIsMarked) found.push('no-end-marker');
  return found.map((kind) => ({ kind, count: 1, examples: [{ kind, entry: undefined, offset: undefined }] }));
}

/** Copies the bytes of the caller's source into the ring, until the source ends or `stopped` settles. */
async function feed(
  source: OpenedBytes,
  pipeline: Pipeline,
  { stopped, unread }: { readonly stopped: Promise<void>; readonly unread: UnreadSource | undefined },
): Promise<void> {
  const reader = readSource(source, unread);
  const nextOf = untilStopped(() => reader.next(), stopped);
  for (;;) {
    // The next bytes may take long, so the threads are woken for those that have come. Waking them for each piece took
    // 1,350 wake-ups in a pull of 352 MB; this takes 400.
    const flush = setImmediate(() => pipeline.input.flush());
    const next = await nextOf();
    clearImmediate(flush);
    if (next === undefined) {
      reader.cancel();
      return;
    }
    if (next.done) break;
    try {
      await write(next.value, pipeline);
    } catch (error) {
      reader.cancel();
      throw error;
    }
  }
  pipeline.input.end();
}

async function write(chunk: Uint8Array | undefined, pipeline: Pipeline): Promise<void> {
  const { input } = pipeline;
  if (!isUint8Array(chunk))
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the layer: its source gives ${describe(chunk)}, not bytes`,
    );
  for (let at = 0; at < chunk.length; ) {
    const length = Math.min(await input.waitRoomAsync(), chunk.length - at, PIECE_BYTES);
    input.bytes.set(chunk.subarray(at, at + length), input.writeIndex);
    pipeline.compressedBytes += length;
    input.publish(length);
    at += length;
    if (at < chunk.length) await new Promise(setImmediate);
  }
}

/**
 * Calls `work` each time, and gives undefined once `stopped` has settled: a source may never give another byte.
 * `Promise.race` with `stopped` would keep every result in memory: a pull of 352 MB took 450 MB by it, and takes 230.
 */
function untilStopped<T>(work: () => Promise<T>, stopped: Promise<void>): () => Promise<T | undefined> {
  let isStopped = false;
  let stop = () => {};
  void stopped.then(() => {
    isStopped = true;
    stop();
  });
  return () =>
    new Promise((resolve, reject) => {
      stop = () => resolve(undefined);
      if (isStopped) stop();
      else work().then(resolve, reject);
    });
}
