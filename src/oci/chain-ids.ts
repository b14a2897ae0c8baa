import { createHash } from 'node:crypto';
import type { DiffID, Digest } from './digest.js';

/** Digest of a layer and all layers below it. */
export type ChainID = Digest;

/** The chainID of each layer, lowest first (OCI image spec, config.md "Layer ChainID"). */
export function chainIDs(diffIDs: readonly DiffID[]): readonly ChainID[] {
  const chain: ChainID[] = [];
  for (const diffID of diffIDs) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffID : sha256(`${below} ${diffID}`));
  }
  return chain;
}

function sha256(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
