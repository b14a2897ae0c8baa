import { DATA } from '../../base/threads/gate.js';
import type { Taken } from '../../base/threads/pool.js';
import type { Ring } from '../../base/threads/ring.js';
import type { Crew } from './crew.js';

/** Largest chunk. Chunks of 256 KiB take 6 % more processor time. */
const CHUNK_BYTES = 1024 * 1024;

/**
 * Yields the bytes of a crew's ring to the caller. They are copies, because the ring's memory is written again. The crew
 * knows while it waits for the caller.
 */
export async function* drainRing(
  crew: Taken<Crew>,
  ring: Ring,
  reader: number,
): AsyncGenerator<Uint8Array, void> {
  const { gate } = crew.item.pipeline;
  for (;;) {
    const seen = gate.look(DATA);
    const available = ring.available(reader);
    if (available < 0) return;
    if (available === 0) {
      await gate.waitAsync(DATA, seen);
      continue;
    }
    const length = Math.min(available, CHUNK_BYTES);
    const start = ring.readIndex(reader);
    const bytes = Buffer.from(ring.bytes.subarray(start, start + length));
    ring.release(reader, length);
    const callerIsBack = crew.awaitCaller();
    try {
      yield bytes;
    } finally {
      callerIsBack();
    }
  }
}
