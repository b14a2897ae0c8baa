import type { Bar } from '../bar.js';
import { OPERATIONS } from '../engine/snapshots.js';
import { READS } from '../erofs/root-reads.js';
import { CALLS } from '../image/daemon.js';
import type { Measurement } from '../measure.js';
import type { Results } from '../results.js';
import { againOf, allOf, COUNT, firstOf, laterOf } from '../start/small-layers.js';
import { quantile, spread } from '../statistics.js';

const TITLES: Readonly<Record<string, string>> = {
  start: 'start of the command line, in memory',
  gzip: 'gzip layer, in memory',
  zstd: 'zstd layer, in memory',
  tar: 'plain tar, in memory',
  disk: 'on disk (ext4 with a journal), made durable',
  image:
    'an image of five layers into a store, from an OCI layout or an archive, on disk (ext4 with a journal), made durable',
  pull: 'the same from a registry on this machine',
  distant:
    'an image into a store in memory, from a registry with 50 ms of latency and 20 MB/s for each connection',
  near: 'the same from a registry on this machine',
  'erofs-memory': 'gzip layer to one EROFS file, in memory',
  'erofs-disk': 'gzip layer to one EROFS file, on disk (ext4 with a journal), made durable',
  'erofs-image':
    'an image from an OCI layout into a store of EROFS files, on disk (ext4 with a journal), made durable',
  push: 'an image of five layers to an empty registry on this machine, in memory',
  'convert-zstd': 'all layers of the image from gzip to zstd, in memory',
  'convert-gzip': 'all layers of the image from zstd to gzip, in memory',
  explore: 'what an image of five layers is made of, from an archive in memory; tar lists the layers only',
  commit: 'a toolchain that a container has installed becomes a layer of a new image, in memory',
  diff: 'a layer of an overlay snapshot, in memory',
  memory: 'peak memory',
};

export function markdown(results: Results & { readonly bars: readonly Bar[] }): string {
  const { inputs, bars } = results;
  return [
    '# overlayer beside other tools',
    '',
    runLine(results),
    '',
    '## Bars',
    '',
    ...barTable(bars),
    '## Inputs',
    '',
    ...table(
      ['input', 'entries', 'tar', 'gzip', 'zstd', 'what it is'],
      inputs.map((input) => [
        input.name,
        String(input.entries),
        megabytes(input.bytes),
        megabytes(input.gzipBytes),
        input.zstdBytes === undefined ? '' : megabytes(input.zstdBytes),
        input.definition,
      ]),
    ),
    ...Object.keys(TITLES).flatMap((group) => groupSection(results, group)),
    ...(results.smallLayers.length === 0 ? [] : smallLayerSection(results)),
    ...(results.eventLoop.length === 0 ? [] : eventLoopSection(results)),
    ...(results.snapshots.length === 0 ? [] : snapshotSection(results)),
    ...(results.calls.length === 0 ? [] : callSection(results)),
    ...(results.removals.length === 0 ? [] : removalSection(results)),
    ...(results.reads.length === 0 ? [] : readSection(results)),
    '## Versions',
    '',
    ...table(['tool', 'version'], Object.entries(results.machine.versions)),
  ].join('\n');
}

/** The bars of several topics of one run. */
export function barPage(topics: readonly TopicBars[]): string {
  return [
    '# Bars',
    '',
    ...topics.flatMap(({ name, results, bars }) => [
      `## [${name}](${name}.md)`,
      '',
      runLine(results),
      '',
      ...barTable(bars),
    ]),
  ].join('\n');
}

export interface TopicBars {
  readonly name: string;
  readonly results: Results;
  readonly bars: readonly Bar[];
}

/** When and where a topic was measured. */
function runLine({ date, rounds, machine }: Results): string {
  const times = rounds === 1 ? '1 round' : `${rounds} rounds in turn, medians`;
  const memory = `${Math.round(machine.memoryBytes / 1e9)} GB`;
  return (
    `${date}, ${times}. ${machine.cpu}, ${machine.cores} cores, ${memory}, Linux ${machine.kernel}; ` +
    `load before ${machine.loadBefore.toFixed(1)}.`
  );
}

export function barTable(bars: readonly Bar[]): string[] {
  return table(
    ['bar', 'input', 'required', 'measured', ''],
    bars.map(({ what, input, required, measured, met, reason }) => [
      ...[what, input, required, measured],
      met ? 'met' : `**not met**${reason === undefined ? '' : `: ${reason}`}`,
    ]),
  );
}

function groupSection({ measurements, inputs }: Results, group: string): string[] {
  const ofGroup = measurements.filter((one) => one.group === group);
  return [...new Set(ofGroup.map(({ input }) => input))].flatMap((name) => {
    const rows = ofGroup.filter(({ input }) => input === name);
    const bytes = inputs.find((input) => input.name === name)?.bytes;
    const own = spread(secondsOf(rows[0]!)).median;
    return [
      `## ${TITLES[group]}: ${name}`,
      '',
      ...table(
        [
          ...['', 'rounds', 'time', 'from – to', ...(bytes === undefined ? [] : ['MB/s'])],
          ...['user', 'system', 'peak memory', 'time, first row = 1'],
        ],
        rows.map((row) => measurementRow(row, bytes, own)),
      ),
    ];
  });
}

/** @param bytes of the input; undefined if the rows have none */
function measurementRow(row: Measurement, bytes: number | undefined, own: number): string[] {
  const seconds = spread(secondsOf(row));
  const digits = seconds.median < 1 ? 3 : 2;
  const column = (key: 'userSeconds' | 'systemSeconds' | 'peakBytes') =>
    spread(row.samples.map((sample) => sample[key])).median;
  return [
    row.limit ? `_${row.contender}_` : row.contender,
    String(row.samples.length),
    `${seconds.median.toFixed(3)} s`,
    `${seconds.min.toFixed(3)} – ${seconds.max.toFixed(3)}`,
    ...(bytes === undefined ? [] : [(bytes / 1e6 / seconds.median).toFixed(0)]),
    column('userSeconds').toFixed(digits),
    column('systemSeconds').toFixed(digits),
    megabytes(column('peakBytes')),
    (seconds.median / own).toFixed(2),
  ];
}

function secondsOf(row: Measurement): number[] {
  return row.samples.map((sample) => sample.seconds);
}

function smallLayerSection({ smallLayers }: Results): string[] {
  return [
    `## A layer of 1 MB, ${COUNT} times in one process, in memory`,
    '',
    ...table(
      ['', 'rounds', 'the first', 'the 2nd to 11th, median', 'the others, median', 'all', 'CPU time of all'],
      smallLayers.map((layers) => [
        layers.input,
        String(layers.milliseconds.length),
        ...[firstOf(layers), againOf(layers), laterOf(layers)].map((time) => `${time.toFixed(1)} ms`),
        `${allOf(layers).toFixed(2)} s`,
        `${spread(layers.cpuSeconds).median.toFixed(2)} s`,
      ]),
    ),
  ];
}

function eventLoopSection({ eventLoop }: Results): string[] {
  return [
    '## Event-loop delay of the caller',
    '',
    ...table(
      ['input', 'source', 'p99', 'longest'],
      eventLoop.map(({ input, source, p99, max }) => [
        input,
        source,
        `${spread(p99).median.toFixed(1)} ms`,
        `${Math.max(...max).toFixed(1)} ms`,
      ]),
    ),
  ];
}

function snapshotSection({ snapshots }: Results): string[] {
  return [
    '## A store of so many snapshots: time per operation',
    '',
    ...table(
      ['file system', 'snapshots', ...OPERATIONS],
      snapshots.map(({ fileSystem, count, times }) => [
        fileSystem,
        String(count),
        ...OPERATIONS.map((operation) => `${spread(times[operation]).median.toFixed(2)} ms`),
      ]),
    ),
  ];
}

function callSection({ calls }: Results): string[] {
  const cell = (times: readonly number[]) =>
    [0.5, 0.99].map((share) => quantile(times, share).toFixed(2)).join(' / ');
  return [
    '## Calls over a unix socket, on disk: p50 / p99 in ms',
    '',
    ...table(
      ['snapshotter', ...CALLS],
      calls.map(({ snapshotter, times }) => [snapshotter, ...CALLS.map((call) => cell(times[call]))]),
    ),
  ];
}

function removalSection({ removals }: Results): string[] {
  return [
    '## Removal of an image and its layers, on disk',
    '',
    ...table(
      ['image', 'backend', 'time', 'from – to'],
      removals.map(({ input, backend, milliseconds }) => {
        const { median, min, max } = spread(milliseconds);
        return [input, backend, `${median.toFixed(1)} ms`, `${min.toFixed(1)} – ${max.toFixed(1)}`];
      }),
    ),
  ];
}

function readSection({ reads }: Results): string[] {
  return [
    "## A container's root filesystem, on disk: start of programs, find, and a read of everything",
    '',
    ...table(
      ['image', 'layers as', ...READS, 'page cache after a read', 'after the second'],
      reads.map(({ input, root, times, cachedBytes, cachedAgainBytes }) => [
        ...[input, root],
        ...READS.map((read) => `${spread(times[read]).median.toFixed(3)} s`),
        megabytes(spread(cachedBytes).median),
        `+ ${megabytes(Math.max(0, spread(cachedAgainBytes).median))}`,
      ]),
    ),
  ];
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0)} MB`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line), ''];
}
