import { readdirSync } from 'node:fs';
import {
  displayJson,
  displayPath,
  type LayerResult,
  OverlayerError,
  openImageArchive,
  type UnpackLayerOptions,
  unpackLayer,
} from '../../index.js';
import { type Argument, checkOptions, readArgument } from '../flags/read-argument.js';
import { type ReadFlags, readOptions } from '../flags/read-flags.js';
import { abortOnSignals, Interruption } from '../interruption.js';
import { LateProgress } from '../render/progress/late-progress.js';
import type { ProgressForm } from '../render/progress/progress.js';
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

/** @returns the exit code */
export async function unpack(argument: string, destination: string, flags: UnpackFlags): Promise<number> {
  const read = await readArgument(argument, flags.given);
  try {
    checkOptions(read, flags.given);
    if (read.kind === 'image') return await unpackAsImage(read, destination, flags);
    if (flags.dryRun) {
      const { dryRun } = await import('./dry-run.js');
      return await dryRun(read, destination, flags);
    }
    return await unpackAsLayer(read, destination, flags);
  } catch (error) {
    return reportFailure(error, flags, aftermath(error, destination, flags));
  } finally {
    read.close();
  }
}

async function unpackAsLayer(read: Argument, destination: string, flags: UnpackFlags): Promise<number> {
  const started = performance.now();
  const progress = new LateProgress(flags.progress);
  try {
    const options = { ...unpackOptions(flags), signal: abortOnSignals() };
    const result = await progress.show(unpackLayer(read.source, destination, options));
    const seconds = (performance.now() - started) / 1000;
    await printResult(result, { name: read.name, destination, seconds }, flags);
    return 0;
  } catch (error) {
    if (!(await holdsImages(error, read))) throw error;
    const image = { ...read, kind: 'image' } as const;
    checkOptions(image, flags.given);
    return await unpackAsImage(image, destination, flags);
  }
}

async function unpackAsImage(read: Argument, destination: string, flags: UnpackFlags): Promise<number> {
  const { unpackWhole } = await import('./unpack-image.js');
  return await unpackWhole(read, destination, flags);
}

/** Of a file whose images showed late, which is no layer for that reason. */
async function holdsImages(error: unknown, { source }: Argument): Promise<boolean> {
  if (!OverlayerError.is(error) || error.code !== 'InvalidArgument' || typeof source !== 'string')
    return false;
  try {
    const { tmpdir } = await import('node:os');
    await (await openImageArchive(source, { scratch: tmpdir() })).close();
    return true;
  } catch (failure) {
    if (OverlayerError.is(failure)) return false;
    throw failure;
  }
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
    process.stdout.write(`${displayJson({ destination, target, ...result, seconds }, 2)}\n`);
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
