import { type OpenedBytes, readSource, type UnreadSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import type { Pipeline } from './worker/pipeline.js';

/** A single large buffer goes in pieces, so that the caller's event loop is free in between. */
const PIECE_BYTES = 256 * 1024;

/** Copies what the caller's source gives into the ring, as room comes. Ends when `stopped` does, too. */
export async function feed(
  source: OpenedBytes,
  pipeline: Pipeline,
  { stopped, unread }: { readonly stopped: Promise<void>; readonly unread: UnreadSource | undefined },
): Promise<void> {
  const reader = readSource(source, unread);
  const nextOf = untilStopped(() => reader.next(), stopped);
  for (;;) {
    // Where the next bytes are not there yet they may be long in coming: let these be worked on. To tell of each piece woke
    // threads 1,350 times in a pull of 352 MB; 400 are enough.
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
  if (!(chunk instanceof Uint8Array))
    throw new OverlayerError(
      'InvalidArgument',
      `Cannot read the layer: its source gives ${typeof chunk}, not bytes`,
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
 * What `work` comes to, time after time, until `stopped`: a source may never give another byte. `Promise.race` would keep
 * every result for as long as nothing has stopped: a pull of 352 MB took 450 MB of memory by it, and takes 230.
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
