import { type Results, secondsOf } from './results.js';
import { FEWEST, MOST, OPERATIONS, type SnapshotTimes } from './snapshots.js';
import { median, pairedRatio } from './statistics.js';

/** What is asked for, and what this run saw. */
export interface Bar {
  readonly what: string;
  readonly input: string;
  readonly required: string;
  readonly measured: string;
  readonly met: boolean;
}

/** `of` is to be `atLeast` times as fast as `against`. */
const SPEED_BARS = [
  { group: 'gzip', of: 'overlayer', against: 'tar -xzf', atLeast: 2.5 },
  { group: 'gzip', of: 'overlayer, zlib', against: 'tar -xzf', atLeast: 1.8 },
  { group: 'zstd', of: 'overlayer', against: 'tar --zstd -xf', atLeast: 1 },
  { group: 'tar', of: 'overlayer, no digests', against: 'tar -xf', atLeast: 0.85 },
  { group: 'tar', of: 'overlayer', against: 'tar -xf', atLeast: 0.7 },
  { group: 'daemon', of: 'overlayer in containerd', against: 'containerd alone', atLeast: 1.5 },
  { group: 'diff', of: 'overlayer', against: 'tar -c', atLeast: 0.7 },
  { group: 'diff', of: 'overlayer, gzip', against: 'tar -cz', atLeast: 1 },
  { group: 'diff', of: 'overlayer, zstd', against: 'tar -c --zstd', atLeast: 1 },
  { group: 'gzip', of: 'overlayer', against: 'node-tar', atLeast: 5 },
  { group: 'gzip', of: 'overlayer', against: 'tar-fs', atLeast: 5 },
];
const GZIP_LIMIT = 1.3;
const IMAGE_PEERS = ['containerd', 'skopeo', 'podman', 'buildah', 'umoci'];
const IMAGE_BAR = 4;
const IMAGE_LIMIT = 1.25;
/** Of a layer, and of a whole image. */
const MEMORY_BARS: Readonly<Record<string, number>> = { memory: 160e6, image: 300e6, pull: 300e6 };
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
    ...results.eventLoop.map(({ input, source, p99 }) => ({
      what: `event-loop delay of the caller, p99, from a ${source}`,
      input,
      required: `< ${DELAY_BAR_MS} ms`,
      measured: `${median(p99).toFixed(1)} ms`,
      met: median(p99) < DELAY_BAR_MS,
    })),
    ...results.snapshots.filter(({ count }) => count === MOST).flatMap((most) => growthBars(results, most)),
  ];
}

function speedBar(
  results: Results,
  input: string,
  { group, of, against, atLeast }: (typeof SPEED_BARS)[0],
): Bar[] {
  const own = secondsOf(results, group, input, of);
  const peer = secondsOf(results, group, input, against);
  if (own === undefined || peer === undefined) return [];
  const ratio = pairedRatio(peer, own);
  return [
    {
      what: `${group}: ${of} against ${against}`,
      input,
      required: `≥ ${atLeast}×`,
      measured: `${ratio.toFixed(2)}×`,
      met: ratio >= atLeast,
    },
  ];
}

/** Nobody can be done before the slower half of the work is. */
function limitBar(results: Results, input: string): Bar[] {
  const own = secondsOf(results, 'gzip', input, 'overlayer');
  const inflate = secondsOf(results, 'gzip', input, 'igzip -dc');
  const unpack = secondsOf(results, 'gzip', input, 'tar -xf of the plain tar');
  if (own === undefined || inflate === undefined || unpack === undefined) return [];
  const slower = inflate.map((seconds, round) => Math.max(seconds, unpack[round]!));
  const ratio = pairedRatio(own, slower);
  return [
    {
      what: 'gzip: time against max(igzip -dc, tar -xf of the plain tar)',
      input,
      required: `≤ ${GZIP_LIMIT}×`,
      measured: `${ratio.toFixed(2)}×`,
      met: ratio <= GZIP_LIMIT,
    },
  ];
}

/** What a user would pick instead for a whole image: the fastest of them; and what two cores can do without a look at it. */
function imageBars(results: Results, group: 'image' | 'pull'): Bar[] {
  const seconds = (contender: string) => secondsOf(results, group, 'image', contender);
  const own = seconds('overlayer');
  const limit = seconds('igzip | tar, two side by side');
  const peers = IMAGE_PEERS.flatMap((peer) => {
    const times = seconds(peer);
    return times === undefined ? [] : [{ peer, times }];
  }).sort((a, b) => median(a.times) - median(b.times));
  const [fastest] = peers;
  if (own === undefined || limit === undefined || fastest === undefined) return [];
  const faster = pairedRatio(fastest.times, own);
  const longer = pairedRatio(own, limit);
  return [
    {
      what: `${group}: overlayer against ${fastest.peer}, the fastest`,
      input: 'image',
      required: `≥ ${IMAGE_BAR}×`,
      measured: `${faster.toFixed(2)}×`,
      met: faster >= IMAGE_BAR,
    },
    {
      what: `${group}: time against two igzip | tar side by side`,
      input: 'image',
      required: `≤ ${IMAGE_LIMIT}×`,
      measured: `${longer.toFixed(2)}×`,
      met: longer <= IMAGE_LIMIT,
    },
  ];
}

function memoryBar({ measurements }: Results, input: string): Bar[] {
  return measurements
    .filter((one) => one.group in MEMORY_BARS && one.input === input && one.contender.startsWith('overlayer'))
    .map(({ group, contender, samples }) => {
      const most = MEMORY_BARS[group]!;
      const peak = Math.max(...samples.map((sample) => sample.peakBytes));
      return {
        what: `peak resident memory, ${group}: ${contender}`,
        input,
        required: `< ${most / 1e6} MB`,
        measured: `${(peak / 1e6).toFixed(0)} MB`,
        met: peak < most,
      };
    });
}

/** No operation looks at all snapshots but `walk`. */
function growthBars({ snapshots }: Results, most: SnapshotTimes): Bar[] {
  const { fileSystem } = most;
  const fewest = snapshots.find((one) => one.fileSystem === fileSystem && one.count === FEWEST);
  if (fewest === undefined) return [];
  return OPERATIONS.filter((operation) => operation !== 'walk').map((operation) => {
    const growth = median(most.times[operation]) / median(fewest.times[operation]);
    return {
      what: `time per ${operation} at ${MOST} snapshots against ${FEWEST}`,
      input: fileSystem,
      required: `≤ ${GROWTH_BAR}×`,
      measured: `${growth.toFixed(2)}×`,
      met: growth <= GROWTH_BAR,
    };
  });
}
