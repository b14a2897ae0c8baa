import { availableParallelism, totalmem } from 'node:os';

/** What the threads of one layer take, and what they hold of it. */
const BYTES_EACH = 128 * 1024 ** 2;

/** Layers at once: as many as there are cores, and fewer where memory is short. */
export function defaultConcurrency(): number {
  const constrained = process.constrainedMemory();
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  return Math.max(1, Math.min(availableParallelism(), Math.floor(memory / 4 / BYTES_EACH)));
}
