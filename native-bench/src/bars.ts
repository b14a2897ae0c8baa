import { atLeast, atMost, type Bar, below } from './bar.js';
import { FEWEST, MOST, OPERATIONS, type SnapshotTimes } from './engine/snapshots.js';
import { erofsBars } from './erofs/erofs-bars.js';
import { DECODER } from './explore/measure-explore.js';
import { imageBars } from './image/image-bars.js';
import { layerBars } from './layers/layer-bars.js';
import { networkBars } from './network/network-bars.js';
import { type Results, secondsOf } from './results.js';
import { startBars } from './start/start-bars.js';
import { median, pairedRatio } from './statistics.js';
import { WAY_BACK_INPUTS, wayBackBars } from './way-back/way-back-bars.js';

/** `of` must be `least` times as fast as `against`. */
const DIFF_BARS = [
  { of: 'overlayer', against: 'tar -c, sha256 beside', least: 0.7 },
  { of: 'overlayer, gzip', against: 'tar -cz, sha256 of both beside', least: 1 },
  { of: 'overlayer, zstd', against: 'tar -c --zstd, sha256 of both beside', least: 1 },
];
/** Peak memory in MB, of a layer and of a whole image. */
const MEMORY_BARS: Readonly<Record<string, number>> = {
  ...{ memory: 160, image: 300, pull: 300, explore: 250 },
  ...Object.fromEntries(Object.keys(WAY_BACK_INPUTS).map((group) => [group, 300])),
};
/** Two cores: the report takes little more than the decompression on one of them. */
const EXPLORE_LIMIT = 1.15;
const DELAY_BAR_MS = 20;
const GROWTH_BAR = 2;

/** The bars of all groups that were measured. */
export function bars(results: Results): Bar[] {
  const inputs = results.inputs.map((input) => input.name);
  return [
    ...startBars(results),
    ...layerBars(results),
    ...imageBars(results),
    ...networkBars(results),
    ...inputs.flatMap((input) => diffBars(results, input)),
    ...inputs.flatMap((input) => memoryBar(results, input)),
    ...results.eventLoop.map(({ input, source, p99 }) => {
      const what = `event-loop delay of the caller, p99, from a ${source}`;
      return below(DELAY_BAR_MS, { what, input, value: median(p99), digits: 1, unit: ' ms' });
    }),
    ...results.snapshots.filter(({ count }) => count === MOST).flatMap((most) => growthBars(results, most)),
    ...erofsBars(results),
    ...wayBackBars(results),
    ...exploreBars(results),
  ];
}

function diffBars(results: Results, input: string): Bar[] {
  return DIFF_BARS.flatMap(({ of, against, least }) => {
    const own = secondsOf(results, 'diff', input, of);
    const peer = secondsOf(results, 'diff', input, against);
    if (own === undefined || peer === undefined) return [];
    return [atLeast(least, { what: `diff: ${of} against ${against}`, input, value: pairedRatio(peer, own) })];
  });
}

function exploreBars(results: Results): Bar[] {
  const own = secondsOf(results, 'explore', 'image', 'overlayer');
  const decoder = secondsOf(results, 'explore', 'image', DECODER);
  if (own === undefined || decoder === undefined) return [];
  const what = `explore: time against ${DECODER}`;
  return [atMost(EXPLORE_LIMIT, { what, input: 'image', value: pairedRatio(own, decoder) })];
}

function memoryBar({ measurements }: Results, input: string): Bar[] {
  return measurements
    .filter((one) => one.group in MEMORY_BARS && one.input === input && one.contender.startsWith('overlayer'))
    .map(({ group, contender, samples }) => {
      const peak = Math.max(...samples.map((sample) => sample.peakBytes));
      const what = `peak resident memory, ${group}: ${contender}`;
      return below(MEMORY_BARS[group]!, { what, input, value: peak / 1e6, digits: 0, unit: ' MB' });
    });
}

/** No operation looks at all snapshots but `walk`. */
function growthBars({ snapshots }: Results, most: SnapshotTimes): Bar[] {
  const { fileSystem } = most;
  const fewest = snapshots.find((one) => one.fileSystem === fileSystem && one.count === FEWEST);
  if (fewest === undefined) return [];
  return OPERATIONS.filter((operation) => operation !== 'walk').map((operation) => {
    const growth = median(most.times[operation]) / median(fewest.times[operation]);
    const what = `time per ${operation} at ${MOST} snapshots against ${FEWEST}`;
    return atMost(GROWTH_BAR, { what, input: fileSystem, value: growth });
  });
}
