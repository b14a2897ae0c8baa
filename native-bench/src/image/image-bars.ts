import { atLeast, atMost, type Bar } from '../bar.js';
import { REASONS } from '../reasons.js';
import { type Results, secondsOf } from '../results.js';
import { pairedRatio } from '../statistics.js';
import { NEWEST_CONTAINERD, OWN, OWN_EROFS, PIPELINES, PLUGIN } from './image-contenders.js';

const GROUPS = ['image', 'pull'] as const;
/** `of` must be `least` times as fast as `against`. */
const PEER_BARS = [
  { of: OWN, against: NEWEST_CONTAINERD, least: 2 },
  { of: PLUGIN, against: NEWEST_CONTAINERD, least: 2 },
  ...['skopeo', 'podman', 'buildah', 'umoci'].map((against) => ({ of: OWN, against, least: 4 })),
];
/** An image may take so many times the time of the pipelines, which check nothing. */
const PIPELINE_BARS = { image: 1, pull: 1.25 };

export function imageBars(results: Results): Bar[] {
  return GROUPS.flatMap((group) =>
    results.inputs.flatMap(({ name }) => [
      ...peerBars(results, group, name),
      ...pipelineBars(results, group, name),
    ]),
  );
}

function peerBars(results: Results, group: string, input: string): Bar[] {
  return PEER_BARS.flatMap(({ of, against, least }) => {
    const own = secondsOf(results, group, input, of);
    const peer = secondsOf(results, group, input, against);
    if (own === undefined || peer === undefined) return [];
    const what = `${group}: ${of} against ${against}`;
    return [atLeast(least, { what, input, value: pairedRatio(peer, own), reason: REASONS.image })];
  });
}

function pipelineBars(results: Results, group: (typeof GROUPS)[number], input: string): Bar[] {
  return [OWN, OWN_EROFS].flatMap((of) => {
    const own = secondsOf(results, group, input, of);
    const pipelines = secondsOf(results, group, input, PIPELINES);
    if (own === undefined || pipelines === undefined) return [];
    const what = `${group}: time of ${of} against ${PIPELINES}`;
    return [
      atMost(PIPELINE_BARS[group], {
        what,
        input,
        value: pairedRatio(own, pipelines),
        reason: REASONS.pipelines,
      }),
    ];
  });
}
