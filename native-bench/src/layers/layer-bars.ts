import { atLeast, atMost, type Bar } from '../bar.js';
import { REASONS } from '../reasons.js';
import { type Results, secondsOf } from '../results.js';
import { pairedRatio } from '../statistics.js';
import { IGZIP, OWN, TAR, TAR_ALONE, UNVERIFIED, ZSTD } from './layer-contenders.js';

/** `of` may take `most` times the time of `against`. */
const TIME_BARS = [
  { group: 'gzip', of: OWN, against: IGZIP, most: 1, reason: REASONS.gzip },
  { group: 'zstd', of: OWN, against: ZSTD, most: 1, reason: REASONS.zstd },
  { group: 'tar', of: OWN, against: TAR, most: 1, reason: REASONS.tar },
  { group: 'tar', of: UNVERIFIED, against: TAR_ALONE, most: 1.15, reason: REASONS.tarUnverified },
];
const JAVASCRIPT_PEERS = ['node-tar', 'tar-fs'];
const JAVASCRIPT_BAR = 5;

export function layerBars(results: Results): Bar[] {
  return [...results.inputs.flatMap(({ name }) => timeBars(results, name)), ...javascriptBars(results)];
}

function timeBars(results: Results, input: string): Bar[] {
  return TIME_BARS.flatMap(({ group, of, against, most, reason }) => {
    const own = secondsOf(results, group, input, of);
    const peer = secondsOf(results, group, input, against);
    if (own === undefined || peer === undefined) return [];
    const what = `${group}: time of ${of} against ${against}`;
    return [atMost(most, { what, input, value: pairedRatio(own, peer), reason })];
  });
}

function javascriptBars(results: Results): Bar[] {
  return results.inputs.flatMap(({ name: input }) =>
    JAVASCRIPT_PEERS.flatMap((against) => {
      const own = secondsOf(results, 'gzip', input, OWN);
      const peer = secondsOf(results, 'gzip', input, against);
      if (own === undefined || peer === undefined) return [];
      const what = `gzip: ${OWN} against ${against}`;
      return [atLeast(JAVASCRIPT_BAR, { what, input, value: pairedRatio(peer, own) })];
    }),
  );
}
