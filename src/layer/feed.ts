import { isUint8Array } from 'node:util/types';
import { type OpenedBytes, readSource, type UnreadSource } from '../base/byte-source.js';
import { describe } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import type { Pipeline } from './worker/pipeline.js';

/** A large buffer is copied in pieces, so that the caller's event loop runs in between. */
const PIECE_BYTES = 256 * 1024;

/** Copies the bytes of the caller's source into the ring, until the source ends or `stopped` settles. */
export async function feed(
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
    if (next.done || !next.value) break;
    try {
      await write(next.value, pipeline);
    } catch (error) {
      reader.cancel();
      throw error;
    }
  }
  pipeline.input.end();
}

async function write(chunk: Uint8Array, pipeline: Pipeline): Promise<void> {
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
