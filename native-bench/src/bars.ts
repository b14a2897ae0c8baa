import { atLeast, atMost, type Bar, below } from './bar.js';
import { erofsBars } from './erofs/erofs-bars.js';
import { DECODER } from './explore/measure-explore.js';
import { fastestOf, type Results, secondsOf } from './results.js';
import { FEWEST, MOST, OPERATIONS, type SnapshotTimes } from './snapshots.js';
import { median, pairedRatio } from './statistics.js';
import { WAY_BACK_INPUTS, wayBackBars } from './way-back/way-back-bars.js';

/** `of` is to be `least` times as fast as `against`. */
const SPEED_BARS = [
  { group: 'gzip', of: 'overlayer', against: 'tar -xzf', least: 2.5 },
  { group: 'gzip', of: 'overlayer, zlib', against: 'tar -xzf', least: 1.8 },
  { group: 'zstd', of: 'overlayer', against: 'tar --zstd -xf', least: 1 },
  { group: 'tar', of: 'overlayer, no digests', against: 'tar -xf', least: 0.85 },
  { group: 'tar', of: 'overlayer', against: 'tar -xf', least: 0.7 },
  { group: 'daemon', of: 'overlayer in containerd', against: 'containerd alone', least: 1.5 },
  { group: 'diff', of: 'overlayer', against: 'tar -c', least: 0.7 },
  { group: 'diff', of: 'overlayer, gzip', against: 'tar -cz', least: 1 },
  { group: 'diff', of: 'overlayer, zstd', against: 'tar -c --zstd', least: 1 },
  { group: 'gzip', of: 'overlayer', against: 'node-tar', least: 5 },
  { group: 'gzip', of: 'overlayer', against: 'tar-fs', least: 5 },
];
const GZIP_LIMIT = 1.3;
const IMAGE_PEERS = ['containerd', 'skopeo', 'podman', 'buildah', 'umoci'];
const IMAGE_BAR = 4;
const IMAGE_LIMIT = 1.25;
/** In MB: of a layer, and of a whole image. */
const MEMORY_BARS: Readonly<Record<string, number>> = {
  ...{ memory: 160, image: 300, pull: 300, explore: 250 },
  ...Object.fromEntries(Object.keys(WAY_BACK_INPUTS).map((group) => [group, 300])),
};
/** Two cores: the report takes little more than the decompression on one of them. */
const EXPLORE_LIMIT = 1.15;
const DELAY_BAR_MS = 20;
const GROWTH_BAR = 2;

export function bars(results: Results): Bar[] {
  const inputs = results.inputs.map((input) => input.name);
  return [
    ...SPEED_BARS.flatMap((bar) => inputs.flatMap((input) => speedBar(results, input, bar))),
    ...inputs.flatMap((input) => limitBar(results, input)),
    ...inputs.flatMap((input) => memoryBar(results, input)),
    ...imageBars(results, 'image'),
    ...imageBars(results, 'pull'),
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

function speedBar(
  results: Results,
  input: string,
  { group, of, against, least }: (typeof SPEED_BARS)[0],
): Bar[] {
  const own = secondsOf(results, group, input, of);
  const peer = secondsOf(results, group, input, against);
  if (own === undefined || peer === undefined) return [];
  const what = `${group}: ${of} against ${against}`;
  return [atLeast(least, { what, input, value: pairedRatio(peer, own) })];
}

/** Nobody can be done before the slower half of the work is. */
function limitBar(results: Results, input: string): Bar[] {
  const own = secondsOf(results, 'gzip', input, 'overlayer');
  const inflate = secondsOf(results, 'gzip', input, 'igzip -dc');
  const unpack = secondsOf(results, 'gzip', input, 'tar -xf of the plain tar');
  if (own === undefined || inflate === undefined || unpack === undefined) return [];
  const slower = inflate.map((seconds, round) => Math.max(seconds, unpack[round]!));
  const what = 'gzip: time against max(igzip -dc, tar -xf of the plain tar)';
  return [atMost(GZIP_LIMIT, { what, input, value: pairedRatio(own, slower) })];
}

/** What a user would pick instead for a whole image: the fastest of them; and what two cores can do without a look at it. */
function imageBars(results: Results, group: 'image' | 'pull'): Bar[] {
  const seconds = (contender: string) => secondsOf(results, group, 'image', contender);
  const own = seconds('overlayer');
  const limit = seconds('igzip | tar, two side by side');
  const fastest = fastestOf(results, group, 'image', IMAGE_PEERS);
  if (own === undefined || limit === undefined || fastest === undefined) return [];
  const input = 'image';
  const faster = `${group}: overlayer against ${fastest.contender}, the fastest`;
  const longer = `${group}: time against two igzip | tar side by side`;
  return [
    atLeast(IMAGE_BAR, { what: faster, input, value: pairedRatio(fastest.seconds, own) }),
    atMost(IMAGE_LIMIT, { what: longer, input, value: pairedRatio(own, limit) }),
  ];
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
