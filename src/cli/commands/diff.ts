import {
  type CreateDiffOptions,
  createDiff,
  type DiffResult,
  diffSnapshot,
  displayJson,
  type Task,
} from '../../index.js';
import { abortOnSignals, Interruption, reportFailure } from '../failure.js';
import type { DiffFlags, DiffSnapshotFlags } from '../flags/layer-flags.js';
import { writeOutput } from '../output.js';
import { formatSeconds } from '../render/format.js';
import { layerSummary } from '../render/layer-summary.js';
import { LateProgress } from '../render/progress/late-progress.js';
import { standardError, standardOutput } from '../standard-streams.js';
import { withExistingSnapshots } from '../with-root.js';

/** Makes a layer from the difference between two directories. @returns the exit code */
export async function diff(lower: string, upper: string, flags: DiffFlags): Promise<number> {
  try {
    await writeDiff((options) => createDiff({ lower, upper }, options), flags, abortOnSignals());
    return 0;
  } catch (error) {
    return reportFailure(error, flags, aftermath(error, flags));
  }
}

/** Makes a layer from the changes of a snapshot to its parent. @returns the exit code */
export async function diffOfSnapshot(key: string, flags: DiffSnapshotFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingSnapshots(
    flags,
    (snapshots) => writeDiff((options) => diffSnapshot(snapshots, key, options), flags, signal),
    (error) => aftermath(error, flags),
  );
}

/** Makes and writes the layer. Prints its digests: on standard error where the layer itself goes to standard output. */
async function writeDiff(
  make: (options: CreateDiffOptions) => Task<DiffResult, Uint8Array>,
  flags: DiffFlags,
  signal: AbortSignal,
): Promise<void> {
  const { output, sourceDateEpoch, json } = flags;
  const started = performance.now();
  const chosen = flags.compression ?? { compression: compressionOf(output) };
  const progress = new LateProgress(flags.progress);
  const onProgress = (now: Parameters<LateProgress['update']>[0]) => progress.update(now);
  const diff = make({ ...chosen, sourceDateEpoch, signal, onProgress });
  await writeOutput(diff, output, signal).finally(() => progress.end());
  const { descriptor, ...rest } = await diff;
  const { mediaType, digest, size: compressedSize } = descriptor;
  const layer = { digest, compression: chosen.compression, compressedSize, ...rest };
  const seconds = (performance.now() - started) / 1000;
  const stream = output === '-' ? standardError : standardOutput;
  if (json) stream.write(`${displayJson({ output, mediaType, ...layer, seconds }, 2)}\n`);
  else if (output !== '-') stream.write(layerSummary(`Wrote ${output} in ${formatSeconds(seconds)}`, layer));
}

function aftermath(error: unknown, { output }: DiffFlags): string | undefined {
  return error instanceof Interruption && output !== '-' ? `"${output}" was not written` : undefined;
}

const ENDINGS: readonly (readonly [
  ending: RegExp,
  compression: NonNullable<CreateDiffOptions['compression']>,
])[] = [
  [/\.(?:tar\.zst|tzst)$/, 'zstd'],
  [/\.tar$/, 'none'],
];

function compressionOf(output: string): NonNullable<CreateDiffOptions['compression']> {
  return ENDINGS.find(([ending]) => ending.test(output))?.[1] ?? 'gzip';
}
