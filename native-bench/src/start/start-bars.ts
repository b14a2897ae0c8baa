import { atMost, type Bar } from '../bar.js';
import { REASONS } from '../reasons.js';
import { type Results, secondsOf } from '../results.js';
import { pairedRatio } from '../statistics.js';
import { againOf, allOf, COUNT } from './small-layers.js';
import { IMAGES, NODE, UNPACK, VERSION } from './start-contenders.js';

/** A command may take so many times the time of `node -e 0` of the same release. */
const START_BARS = { [UNPACK]: 1.6, [VERSION]: 1.2, [IMAGES]: 1.8 };
const AGAIN_BAR_MS = 8;
const ALL_BAR_SECONDS = 0.6;

export function startBars(results: Results): Bar[] {
  return [
    ...results.measurements
      .filter(({ group, contender }) => group === 'start' && contender === NODE)
      .flatMap(({ input }) => commandBars(results, input)),
    ...results.smallLayers.flatMap((layers) => [
      atMost(AGAIN_BAR_MS, {
        ...{ what: 'unpackLayer, 1 MB of gzip, the 2nd to 11th of a process', input: layers.input },
        ...{ value: againOf(layers), digits: 1, unit: ' ms', reason: REASONS.again },
      }),
      atMost(ALL_BAR_SECONDS, {
        ...{ what: `unpackLayer, 1 MB of gzip, ${COUNT} times in one process`, input: layers.input },
        ...{ value: allOf(layers), unit: ' s', reason: REASONS.again },
      }),
    ]),
  ];
}

function commandBars(results: Results, input: string): Bar[] {
  const node = secondsOf(results, 'start', input, NODE)!;
  return Object.entries(START_BARS).map(([command, most]) => {
    const own = secondsOf(results, 'start', input, command)!;
    const what = `${command}: time against ${NODE}`;
    return atMost(most, { what, input, value: pairedRatio(own, node), reason: REASONS.start });
  });
}
