import { atLeast, atMost, type Bar, below } from '../bar.js';
import { NEWEST_CONTAINERD, OLD_CONTAINERD, PIPELINES } from '../image/image-contenders.js';
import { type Results, samplesOf, secondsOf } from '../results.js';
import { median, pairedRatio } from '../statistics.js';
import { INFLATE, MKFS, OWN, TAR } from './file-contenders.js';
import { MKFS_PIPELINES, OWN_OVERLAY } from './image-contenders.js';
import { READS } from './root-reads.js';

const FILE_GROUPS = ['erofs-memory', 'erofs-disk'] as const;
/** Times of `igzip -dc LAYER > file` that a layer may take. */
const INFLATE_BARS: Readonly<Record<string, number>> = { 'many-files': 1.7, 'large-files': 1.35 };
const TAR_BAR = 3;
const MKFS_BAR = 1;
/** How many times as fast as a peer a whole image is to be. */
const IMAGE_BARS: Readonly<Record<string, number>> = {
  [NEWEST_CONTAINERD]: 3,
  ...{ [OLD_CONTAINERD]: 6, skopeo: 6, podman: 6, buildah: 6, umoci: 6 },
  ...Object.fromEntries(MKFS_PIPELINES.map((name) => [name, MKFS_BAR])),
};
const PIPELINES_BAR = 1;
const CPU_BAR = 0.6;
const REMOVAL_BAR_MS = 50;
/** No slower, but for the noise of 500 calls. */
const CALLS_BAR = 1.05;
const READS_BAR = 1.05;

export function erofsBars(results: Results): Bar[] {
  const inputs = results.inputs.map(({ name }) => name);
  return [
    ...FILE_GROUPS.flatMap((group) => inputs.flatMap((input) => fileBars(results, group, input))),
    ...inputs.flatMap((input) => imageBars(results, input)),
    ...inputs.flatMap((input) => cpuBar(results, input)),
    ...removalBars(results),
    ...callBars(results),
    ...inputs.flatMap((input) => readBars(results, input)),
  ];
}

function fileBars(results: Results, group: string, input: string): Bar[] {
  const own = secondsOf(results, group, input, OWN);
  if (own === undefined) return [];
  const against = (peer: string) => secondsOf(results, group, input, peer)!;
  const inflate = {
    what: `${group}: time against ${INFLATE}`,
    input,
    value: pairedRatio(own, against(INFLATE)),
  };
  return [
    atMost(INFLATE_BARS[input]!, inflate),
    ...[[TAR, TAR_BAR] as const, ...MKFS.map((peer) => [peer, MKFS_BAR] as const)].map(([peer, least]) =>
      atLeast(least, { what: `${group}: against ${peer}`, input, value: pairedRatio(against(peer), own) }),
    ),
  ];
}

function imageBars(results: Results, input: string): Bar[] {
  const own = secondsOf(results, 'erofs-image', input, OWN);
  if (own === undefined) return [];
  const against = (peer: string) => secondsOf(results, 'erofs-image', input, peer)!;
  const what = 'erofs-image: time against two igzip | tar side by side';
  return [
    ...Object.entries(IMAGE_BARS).map(([peer, least]) =>
      atLeast(least, { what: `erofs-image: against ${peer}`, input, value: pairedRatio(against(peer), own) }),
    ),
    atMost(PIPELINES_BAR, { what, input, value: pairedRatio(own, against(PIPELINES)) }),
  ];
}

/** Many small files are what the other backend spends its time on. */
function cpuBar(results: Results, input: string): Bar[] {
  const cpu = (contender: string) =>
    samplesOf(results, 'erofs-image', input, contender)?.map(
      ({ userSeconds, systemSeconds }) => userSeconds + systemSeconds,
    );
  const own = cpu(OWN);
  const overlay = cpu(OWN_OVERLAY);
  if (input !== 'many files' || own === undefined || overlay === undefined) return [];
  const what = 'erofs-image: CPU seconds against the overlay backend';
  return [atMost(CPU_BAR, { what, input, value: pairedRatio(own, overlay) })];
}

function removalBars({ removals }: Results): Bar[] {
  return removals
    .filter(({ backend }) => backend === 'erofs')
    .map(({ input, milliseconds }) =>
      below(REMOVAL_BAR_MS, {
        what: 'removal of an image',
        input,
        value: median(milliseconds),
        digits: 1,
        unit: ' ms',
      }),
    );
}

function callBars({ calls }: Results): Bar[] {
  const [erofs, overlay] = ['erofs', 'overlay'].map((backend) =>
    calls.find(({ snapshotter }) => snapshotter === backend),
  );
  if (erofs === undefined || overlay === undefined) return [];
  return (['Prepare', 'Commit', 'Remove'] as const).map((call) =>
    atMost(CALLS_BAR, {
      what: `${call} through the daemon, p50, against the overlay backend`,
      input: '',
      value: median(erofs.times[call]) / median(overlay.times[call]),
    }),
  );
}

function readBars({ reads }: Results, input: string): Bar[] {
  const of = (root: string) => reads.find((one) => one.root === root && one.input === input);
  const overlay = of('overlay');
  if (overlay === undefined) return [];
  return ['erofs', 'erofs, directio'].flatMap((root) =>
    READS.map((read) =>
      atMost(READS_BAR, {
        what: `root on ${root}: ${read}, against overlay on ext4`,
        input,
        value: pairedRatio(of(root)!.times[read], overlay.times[read]),
      }),
    ),
  );
}
