import { atLeast, type Bar } from '../bar.js';
import { fastestOf, type Results, secondsOf } from '../results.js';
import { pairedRatio } from '../statistics.js';
import { PLAIN_COMMITS } from './commit-contenders.js';
import { CONVERTERS, PUSHERS } from './send-contenders.js';

/** The input of each group. */
export const WAY_BACK_INPUTS = {
  ...{ push: 'image', 'convert-zstd': 'image', 'convert-gzip': 'image' },
  commit: 'toolchain',
} as const;

export type WayBackGroup = keyof typeof WAY_BACK_INPUTS;

interface WayBackBar {
  readonly group: WayBackGroup;
  readonly of: string;
  readonly against: readonly string[];
  readonly least: number;
}

/** At least 3 times as fast as the fastest peer where compression decides, and never slower elsewhere. */
const BARS: readonly WayBackBar[] = [
  { group: 'push', of: 'overlayer', against: PUSHERS, least: 1 },
  { group: 'convert-zstd', of: 'overlayer', against: CONVERTERS, least: 3 },
  { group: 'convert-gzip', of: 'overlayer', against: CONVERTERS, least: 3 },
  { group: 'commit', of: 'overlayer', against: ['umoci (gzip)'], least: 3 },
  { group: 'commit', of: 'overlayer, not compressed', against: PLAIN_COMMITS, least: 1 },
];

export function wayBackBars(results: Results): Bar[] {
  return BARS.flatMap(({ group, of, against, least }) => {
    const input = WAY_BACK_INPUTS[group];
    const own = secondsOf(results, group, input, of);
    const fastest = fastestOf(results, group, input, against);
    if (own === undefined || fastest === undefined) return [];
    const what = `${group}: ${of} against ${fastest.contender}, the fastest`;
    return [atLeast(least, { what, input, value: pairedRatio(fastest.seconds, own) })];
  });
}
