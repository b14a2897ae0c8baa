import { DATA, type Gate } from '../../base/threads/gate.js';
import type { Ring } from '../../base/threads/ring.js';

/** Largest chunk. Chunks of 256 KiB take 6 % more processor time. */
const CHUNK_BYTES = 1024 * 1024;

/** Reads a ring in the caller's thread. Copies the bytes, because the ring's memory is written again. */
export async function* drainRing(ring: Ring, reader: number, gate: Gate): AsyncGenerator<Uint8Array, void> {
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
    yield bytes;
  }
}
