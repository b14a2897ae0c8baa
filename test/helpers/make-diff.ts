import type { CreateDiffOptions, DiffResult, DiffSource, Task } from '../../src/index.js';
import { createDiff } from '../../src/index.js';

export interface MadeDiff extends DiffResult {
  readonly layer: Buffer;
}

/** All bytes of a diff, and its result. */
async function readDiff(diff: Task<DiffResult, Uint8Array>): Promise<MadeDiff> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of diff) chunks.push(chunk);
  return { ...(await diff), layer: Buffer.concat(chunks) };
}

/** A plain layer, unless the options say otherwise. */
export async function makeDiff(source: DiffSource, options: CreateDiffOptions = {}): Promise<MadeDiff> {
  return await readDiff(createDiff(source, { compression: 'none', ...options }));
}
