import { type ByteSource, readSource } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import type { Pipeline } from './worker/pipeline.js';

/** A single large buffer goes in pieces, so that the caller's event loop is free in between. */
const PIECE_BYTES = 256 * 1024;

/** Copies what the caller's source gives into the ring, as room comes. Ends when `stopped` does, too. */
export async function feed(source: ByteSource, pipeline: Pipeline, stopped: Promise<void>): Promise<void> {
  const reader = readSource(source);
  // A source may never give another byte: then only this ends the waiting.
  const stop = stopped.then(() => ({ stop: true }) as const);
  for (;;) {
    const next = await Promise.race([reader.next(), stop]);
    if ('stop' in next) {
      reader.cancel();
      return;
    }
    if (next.done || !next.value) break;
    try {
      await write(next.value, pipeline);
      // The next bytes may be long in coming: let these be worked on.
      pipeline.input.flush();
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
