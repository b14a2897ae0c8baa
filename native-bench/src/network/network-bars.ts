import { atLeast, atMost, type Bar } from '../bar.js';
import { NEWEST_CONTAINERD } from '../image/image-contenders.js';
import { REASONS } from '../reasons.js';
import { fastestOf, type Results, secondsOf } from '../results.js';
import { pairedRatio } from '../statistics.js';
import { ONE_CONNECTION, OWN } from './network-contenders.js';

const LARGE = 'one large layer';
const PEERS = [NEWEST_CONTAINERD, 'skopeo', 'podman', 'buildah'];
const RANGES_BAR = 3;
/** No slower, with 5 % for noise. */
const NEAR_BAR = 1.05;
const PEER_BAR = 1;

export function networkBars(results: Results): Bar[] {
  return [...rangeBars(results), ...results.inputs.flatMap(({ name }) => peerBars(results, name))];
}

function rangeBars(results: Results): Bar[] {
  const input = LARGE;
  const times = (group: string) => {
    const own = secondsOf(results, group, input, OWN);
    const one = secondsOf(results, group, input, ONE_CONNECTION);
    return own === undefined || one === undefined ? [] : [{ own, one }];
  };
  return [
    ...times('distant').map(({ own, one }) => {
      const what = `distant: ${OWN} against ${ONE_CONNECTION}`;
      return atLeast(RANGES_BAR, { what, input, value: pairedRatio(one, own), reason: REASONS.network });
    }),
    ...times('near').map(({ own, one }) => {
      const what = `near: time of ${OWN} against ${ONE_CONNECTION}`;
      return atMost(NEAR_BAR, { what, input, value: pairedRatio(own, one), reason: REASONS.near });
    }),
  ];
}

/** overlayer alone against the fastest peer. */
function peerBars(results: Results, input: string): Bar[] {
  return ['distant', 'near'].flatMap((group) => {
    const own = secondsOf(results, group, input, OWN);
    const fastest = fastestOf(results, group, input, PEERS);
    if (own === undefined || fastest === undefined) return [];
    const what = `${group}: ${OWN} against ${fastest.contender}, the fastest`;
    return [
      atLeast(PEER_BAR, { what, input, value: pairedRatio(fastest.seconds, own), reason: REASONS.pull }),
    ];
  });
}
