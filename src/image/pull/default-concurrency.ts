import { availableParallelism, totalmem } from 'node:os';

/** What the threads of one layer take, and what they hold of it. */
const BYTES_EACH = 128 * 1024 ** 2;

/**
 * Layers at once: as many as there are cores, and fewer where memory is short.
 *
 * @param bytes at hand, they keep two threads a layer at work, so that half as many layers keep all cores busy: on two
 * cores an image of 1.35 GB takes 5.1 s one layer after the other, and 5.7 s by two at once, whose threads each compile
 * their code. Others come as fast as a connection gives them, and several give more.
 */
export function defaultConcurrency(bytes: 'at hand' | 'remote'): number {
  const constrained = process.constrainedMemory();
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const cores = availableParallelism();
  const useful = bytes === 'at hand' ? Math.floor(cores / 2) : cores;
  return Math.max(1, Math.min(useful, Math.floor(memory / 4 / BYTES_EACH)));
}
