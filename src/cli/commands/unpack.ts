import { readdirSync } from 'node:fs';
import {
  detectSource,
  displayPath,
  type LayerResult,
  OverlayerError,
  type UnpackLayerOptions,
  unpackLayer,
} from '../../index.js';
import { abortOnSignals, Interruption } from '../interruption.js';
import { closeLayer, openLayer } from '../layer-source.js';
import { type ReadFlags, readOptions } from '../read-flags.js';
import { LateProgress } from '../render/late-progress.js';
import type { ProgressForm } from '../render/progress.js';
import { reportFailure } from '../report-failure.js';

export interface UnpackFlags extends ReadFlags {
  readonly target: 'directory' | 'overlay';
  readonly rootless?: boolean;
  readonly lower?: readonly string[];
  readonly merge?: true;
  readonly sync: boolean;
  readonly dryRun?: true;
  readonly progress: ProgressForm;
  /** All options that the user has given. */
  readonly given: readonly string[];
}

type Kind = 'layer' | 'image';

/** Options that say nothing of the other. To pass over `--digest` or `--dry-run` would do harm. */
const OPTIONS_OF: Readonly<Record<Kind, readonly string[]>> = {
  layer: [
    ...['--target', '--lower', '--merge', '--dry-run'],
    ...['--digest', '--diff-id', '--allow-empty', '--no-digests', '--gzip'],
  ],
  image: [
    '--platform',
    '--image',
    '--plain-http',
    '--username',
    '--password-stdin',
    '--hosts-dir',
    '--min-rate',
    '--deadline',
  ],
};

/** @returns the exit code */
export async function unpack(layer: string, destination: string, flags: UnpackFlags): Promise<number> {
  const kind = await kindOf(layer);
  const misplaced = misplacedOptions(layer, kind, flags.given);
  if (misplaced !== undefined) return reportFailure(misplaced, flags);
  if (kind === 'image') {
    const { unpackWhole } = await import('./unpack-image.js');
    return await unpackWhole(layer, destination, flags);
  }
  if (flags.dryRun) {
    const { dryRun } = await import('./dry-run.js');
    return dryRun(layer, destination, flags);
  }
  const started = performance.now();
  const { source, name } = openLayer(layer);
  const progress = new LateProgress(flags.progress);
  try {
    const result = await unpackLayer(source, destination, {
      ...unpackOptions(flags),
      signal: abortOnSignals(),
      onProgress: (now) => progress.update(now),
    }).finally(() => progress.end());
    const seconds = (performance.now() - started) / 1000;
    await printResult(result, { name, destination, seconds }, flags);
    return 0;
  } catch (error) {
    return reportFailure(error, flags, aftermath(error, destination, flags));
  } finally {
    closeLayer(source);
  }
}

/** @returns undefined for what can't be read: whoever tries says why */
async function kindOf(argument: string): Promise<Kind | undefined> {
  if (argument.startsWith('docker://')) return 'image';
  if (argument === '-') return 'layer';
  try {
    return (await detectSource(argument)) === undefined ? 'layer' : 'image';
  } catch (error) {
    if (OverlayerError.is(error)) return undefined;
    throw error;
  }
}

function misplacedOptions(
  argument: string,
  kind: Kind | undefined,
  given: readonly string[],
): OverlayerError | undefined {
  if (kind === undefined) return undefined;
  const other = kind === 'image' ? 'layer' : 'image';
  const options = given.filter((option) => OPTIONS_OF[other].includes(option)).join(', ');
  if (options === '') return undefined;
  return new OverlayerError(
    'InvalidArgument',
    `Only ${other}s take ${options}: "${argument}" is no ${other}`,
  );
}

function unpackOptions(flags: UnpackFlags): UnpackLayerOptions {
  return {
    ...readOptions(flags),
    target: flags.target,
    rootless: flags.rootless,
    lowers: flags.lower,
    existing: flags.merge ? 'merge' : 'refuse',
    sync: flags.sync,
  };
}

async function printResult(
  result: LayerResult,
  done: { readonly name: string; readonly destination: string; readonly seconds: number },
  { target, json }: UnpackFlags,
): Promise<void> {
  const { destination, name, seconds } = done;
  if (json) {
    process.stdout.write(`${JSON.stringify({ destination, target, ...result, seconds }, undefined, 2)}\n`);
    return;
  }
  const { formatSeconds } = await import('../render/format.js');
  const { summary } = await import('../render/summary.js');
  const heading = `Unpacked ${displayPath(name)} into ${displayPath(destination)} in ${formatSeconds(seconds)}`;
  process.stdout.write(summary(heading, result));
}

function aftermath(error: unknown, destination: string, { merge }: UnpackFlags): string | undefined {
  if (merge && hasContent(destination)) return `"${destination}" keeps what was written to it until then`;
  return error instanceof Interruption ? `nothing was left at "${destination}"` : undefined;
}

function hasContent(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}
