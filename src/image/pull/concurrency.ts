import { availableParallelism, totalmem } from 'node:os';
import { OverlayerError } from '../../base/errors.js';

/** What the threads of one layer take, and what they hold of it. */
const BYTES_EACH = 128 * 1024 ** 2;

/** Layers at once. */
export interface Concurrency {
  readonly first: number;
  /** While the bytes of those at work come slower than they are unpacked. */
  readonly most: number;
}

/**
 * A layer keeps two threads at work when its bytes are there in time, so that half as many layers as there are cores keep
 * all cores busy: on two cores an image of 1.35 GB takes 5.1 s one layer after the other, and 5.7 s by two at once, whose
 * threads each compile their code. Where a connection gives too little, several give more: a layer for each core. Fewer
 * where memory is short.
 */
export function defaultConcurrency(): Concurrency {
  const constrained = process.constrainedMemory();
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const cores = availableParallelism();
  const bounded = (layers: number) => Math.max(1, Math.floor(Math.min(layers, memory / 4 / BYTES_EACH)));
  return { first: bounded(cores / 2), most: bounded(cores) };
}

/** @throws OverlayerError `InvalidArgument` */
export function fixedConcurrency(layers: number): Concurrency {
  if (Number.isSafeInteger(layers) && layers > 0) return { first: layers, most: layers };
  throw new OverlayerError('InvalidArgument', `Not a number of layers at once: ${layers}`);
}
