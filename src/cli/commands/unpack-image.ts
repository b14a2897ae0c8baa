import { dirname, resolve } from 'node:path';
import { displayPath, formatPlatform, parsePlatform, type UnpackedImage, unpackImage } from '../../index.js';
import { type OpenImageFlags, openImage } from '../flags/open-image.js';
import type { Argument } from '../flags/read-argument.js';
import { readOptions } from '../flags/read-flags.js';
import { abortOnSignals, Interruption } from '../interruption.js';
import { anomalyNotes } from '../render/anomaly-notes.js';
import { counted, formatBytes, formatSeconds } from '../render/format.js';
import { printResult } from '../render/print-result.js';
import { createPullProgress } from '../render/progress/pull-progress.js';
import { reportFailure } from '../report-failure.js';
import type { UnpackFlags } from './unpack.js';

export interface UnpackImageFlags extends UnpackFlags, OpenImageFlags {
  readonly platform?: string;
}

/** Unpacks a whole image, without a store. @returns the exit code */
export async function unpackWhole(
  read: Argument,
  destination: string,
  flags: UnpackImageFlags,
): Promise<number> {
  const started = performance.now();
  const signal = abortOnSignals();
  const view = createPullProgress(flags.progress);
  try {
    await using source = await openImage(read, {
      ...flags,
      scratch: dirname(resolve(destination)),
      onNotice: (notice) => view.tell(notice),
    });
    const { limits } = readOptions(flags);
    const { rootless, sync } = flags;
    const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
    const task = unpackImage(source, destination, { platform, limits, rootless, sync, signal });
    for await (const event of task) view.tell(event);
    await view.end();
    const unpacked = await task;
    const seconds = (performance.now() - started) / 1000;
    printResult(
      flags,
      { destination, ...unpacked, platform: formatPlatform(unpacked.platform), seconds },
      summary(read.name, destination, unpacked, seconds),
    );
    return 0;
  } catch (error) {
    await view.end();
    return reportFailure(
      error,
      flags,
      error instanceof Interruption ? `nothing was left at "${destination}"` : undefined,
    );
  }
}

function summary(
  argument: string,
  destination: string,
  { platform, layers }: UnpackedImage,
  seconds: number,
): string {
  const sum = (of: (layer: UnpackedImage['layers'][number]) => number) =>
    layers.reduce((total, layer) => total + of(layer), 0);
  const rows: readonly (readonly [label: string, value: string])[] = [
    ['platform', formatPlatform(platform)],
    ['layers', String(layers.length)],
    [
      'size',
      `${formatBytes(sum(({ size }) => size))} (${formatBytes(sum(({ compressedSize }) => compressedSize))} compressed)`,
    ],
    [
      'entries',
      counted(
        sum(({ entries }) => entries),
        'entry',
        'entries',
      ),
    ],
    ...anomalyNotes(layers.flatMap(({ anomalies }) => anomalies)),
  ];
  const lines = rows.map(([label, value]) => `  ${label.padEnd(10)} ${displayPath(value)}\n`);
  return `Unpacked ${displayPath(argument)} into ${displayPath(destination)} in ${formatSeconds(seconds)}\n${lines.join('')}`;
}
