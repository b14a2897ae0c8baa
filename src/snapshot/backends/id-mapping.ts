import { isDeepStrictEqual } from 'node:util';
import { OverlayerError } from '../../base/errors.js';
import { type IdRange, imageRoot, type OwnerMap } from '../../layer/apply/shift-owners.js';
import type { Labels } from '../../metadata/labels.js';
import { GIDMAPPING_LABEL, UIDMAPPING_LABEL } from '../labels.js';

/** The host's ids of the container's root. */
interface RootPair {
  readonly uid: number;
  readonly gid: number;
}

/** 2^32-1 is no id: for chown(2) it means "unchanged". */
const LAST_ID = 2 ** 32 - 2;

/**
 * Reads the labels that map ids.
 *
 * @returns undefined when there are none
 * @throws OverlayerError `InvalidArgument`: one of the two labels is missing, or is not "containerID:hostID:size[,…]";
 * ranges overlap; root is not mapped
 */
export function ownerMap(labels: Labels): OwnerMap | undefined {
  const [uids, gids] = [labels[UIDMAPPING_LABEL], labels[GIDMAPPING_LABEL]];
  if (uids === undefined && gids === undefined) return undefined;
  return { uids: parseRanges(UIDMAPPING_LABEL, uids), gids: parseRanges(GIDMAPPING_LABEL, gids) };
}

export function mappedRoot(labels: Labels): RootPair | undefined {
  const map = ownerMap(labels);
  return map && imageRoot(map);
}

/** The options of a mount that shows the mapped ids. */
export function idMapOptions({ [UIDMAPPING_LABEL]: uids, [GIDMAPPING_LABEL]: gids }: Labels): string[] {
  return uids === undefined || gids === undefined ? [] : [`uidmap=${uids}`, `gidmap=${gids}`];
}

/** The labels without those that map ids. */
export function withoutMapping(labels: Labels): Labels {
  const { [UIDMAPPING_LABEL]: _, [GIDMAPPING_LABEL]: __, ...others } = labels;
  return others;
}

/** Only the labels that map ids. */
function mappingLabels(labels: Labels): Labels {
  const names = [UIDMAPPING_LABEL, GIDMAPPING_LABEL];
  return Object.fromEntries(Object.entries(labels).filter(([name]) => names.includes(name)));
}

/** Whether the labels map ids in the same way. */
export function haveSameOwners(a: Labels, b: Labels = {}): boolean {
  return isDeepStrictEqual(mappingLabels(a), mappingLabels(b));
}

function parseRanges(label: string, text = ''): IdRange[] {
  const ranges = text.split(',').map((part) => parseRange(label, part));
  if (overlap(ranges, 'container') || overlap(ranges, 'host'))
    throw new OverlayerError('InvalidArgument', `Ranges overlap in label "${label}": "${text}"`);
  if (ranges.some(({ container }) => container === 0)) return ranges;
  throw new OverlayerError('InvalidArgument', `Label "${label}" does not map root: "${text}"`);
}

function parseRange(label: string, part: string): IdRange {
  const match = /^(?<container>\d{1,10}):(?<host>\d{1,10}):(?<size>[1-9]\d{0,9})$/.exec(part);
  const number = (name: string) => Number(match?.groups?.[name]);
  const range = { container: number('container'), host: number('host'), size: number('size') };
  if (Math.max(range.container, range.host) + range.size - 1 <= LAST_ID) return range;
  throw new OverlayerError('InvalidArgument', `Label "${label}" has no valid mapping: "${part}"`, {
    hint: 'write containerID:hostID:size, separate several by commas, and set both labels',
  });
}

function overlap(ranges: readonly IdRange[], side: 'container' | 'host'): boolean {
  const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
  return sorted.some(
    (range, index) => index > 0 && range[side] < sorted[index - 1]![side] + sorted[index - 1]!.size,
  );
}
