import { type CreateDiffOptions, type DiffResult, displayJson, displayPath, type Task } from '../../index.js';
import { writeOutput } from '../flags/write-output.js';
import { Interruption } from '../interruption.js';
import { formatSeconds } from '../render/format.js';
import { LateProgress } from '../render/progress/late-progress.js';
import type { ProgressForm } from '../render/progress/progress.js';
import { summary } from '../render/summary.js';

/** Options of the commands that make a layer, as commander gives them. */
export interface DiffFlags {
  readonly output: string;
  readonly compression?: Compression;
  readonly sourceDateEpoch?: Date;
  readonly progress: ProgressForm;
  readonly json?: true;
}

type Compression = NonNullable<CreateDiffOptions['compression']>;

const ENDINGS: readonly (readonly [ending: RegExp, compression: Compression])[] = [
  [/\.(?:tar\.zst|tzst)$/, 'zstd'],
  [/\.tar$/, 'none'],
];

/** Makes the layer, writes it, and says what it is: on standard error, where the layer itself goes to standard output. */
export async function writeDiff(
  make: (options: CreateDiffOptions) => Task<DiffResult, Uint8Array>,
  flags: DiffFlags,
  signal: AbortSignal,
): Promise<void> {
  const { output, sourceDateEpoch, json } = flags;
  const started = performance.now();
  const compression = flags.compression ?? compressionOf(output);
  const progress = new LateProgress(flags.progress);
  const onProgress = (now: Parameters<LateProgress['update']>[0]) => progress.update(now);
  const diff = make({ compression, sourceDateEpoch, signal, onProgress });
  await writeOutput(diff, output, signal).finally(() => progress.end());
  const { descriptor, ...rest } = await diff;
  const { mediaType, digest, size: compressedSize } = descriptor;
  const layer = { digest, compression, compressedSize, ...rest };
  const seconds = (performance.now() - started) / 1000;
  const stream = output === '-' ? process.stderr : process.stdout;
  if (json) stream.write(`${displayJson({ output, mediaType, ...layer, seconds }, 2)}\n`);
  else if (output !== '-')
    stream.write(summary(`Wrote ${displayPath(output)} in ${formatSeconds(seconds)}`, layer));
}

/** What a failure leaves behind. */
export function diffAftermath(error: unknown, { output }: DiffFlags): string | undefined {
  return error instanceof Interruption && output !== '-' ? `"${output}" was not written` : undefined;
}

/** What it is called tells what it should be; else as everybody's layers are. */
function compressionOf(output: string): Compression {
  return ENDINGS.find(([ending]) => ending.test(output))?.[1] ?? 'gzip';
}
