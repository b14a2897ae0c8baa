import { OverlayerError } from '../base/errors.js';
import type { Labels } from '../metadata/labels.js';
import { GIDMAPPING_LABEL, UIDMAPPING_LABEL } from './labels.js';

/** The host's ids for root of the containers that will use the snapshot. */
export interface RootPair {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Reads the labels that map ids.
 *
 * @returns undefined when there are none
 * @throws OverlayerError `InvalidArgument`: only one of them, not "containerID:hostID:size[,…]", or root not mapped
 */
export function mappedRoot(labels: Labels): RootPair | undefined {
  const [uids, gids] = [labels[UIDMAPPING_LABEL], labels[GIDMAPPING_LABEL]];
  if (uids === undefined && gids === undefined) return undefined;
  return { uid: hostIDOfRoot(UIDMAPPING_LABEL, uids), gid: hostIDOfRoot(GIDMAPPING_LABEL, gids) };
}

function hostIDOfRoot(label: string, text = ''): number {
  for (const part of text.split(',')) {
    const match = /^(?<container>\d{1,10}):(?<host>\d{1,10}):(?<size>[1-9]\d{0,9})$/.exec(part);
    if (match === null)
      throw new OverlayerError('InvalidArgument', `Not a mapping in label "${label}": "${part}"`, {
        hint: 'containerID:hostID:size, several parted by commas; both labels together',
      });
    if (Number(match.groups!['container']) === 0) return Number(match.groups!['host']);
  }
  throw new OverlayerError('InvalidArgument', `Label "${label}" does not map root: "${text}"`);
}
