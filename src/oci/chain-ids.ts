import { createHash } from 'node:crypto';
import { checkArgument } from '../base/check-arguments.js';
import type { DiffID, Digest } from './digest.js';

/** Digest of a layer and all layers below it. */
export type ChainID = Digest;

/** The chainID of each layer, lowest first (OCI image spec, config.md "Layer ChainID"). */
export function chainIDs(diffIDs: readonly DiffID[]): readonly ChainID[] {
  checkArgument('diffIDs', diffIDs, 'strings');
  const chain: ChainID[] = [];
  for (const diffID of diffIDs) chain.push(chainID(chain.at(-1), diffID));
  return chain;
}

/** @param below the chainID of the layer below; undefined for the lowest layer */
export function chainID(below: ChainID | undefined, diffID: DiffID): ChainID {
  return below === undefined ? diffID : sha256(`${below} ${diffID}`);
}

function sha256(text: string): Digest {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
