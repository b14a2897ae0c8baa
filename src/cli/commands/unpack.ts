import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import { formatPlatform, OverlayerError, openImageArchive, unpackImage, unpackLayer } from '../../index.js';
import { abortOnSignals, Interruption, reportFailure } from '../failure.js';
import type { UnpackFlags } from '../flags/layer-flags.js';
import { checkOptions, type Input, openImage, openInput } from '../input.js';
import { platformOf, readOptions } from '../options.js';
import { formatSeconds } from '../render/format.js';
import { unpackedImageSummary } from '../render/image.js';
import { layerSummary } from '../render/layer-summary.js';
import { printResult } from '../render/print.js';
import { LateProgress } from '../render/progress/late-progress.js';
import { unpackInThisThread } from '../unpack-in-this-thread.js';

/** Unpacks a layer or a whole image. @returns the exit code */
export async function unpack(
  argument: string,
  destination: string,
  flags: UnpackFlags,
  given: readonly string[],
): Promise<number> {
  let input: Input | undefined;
  try {
    input = await openInput(argument, given, { tryAsLayer: !flags.merge && !flags.dryRun });
    checkOptions(input, given);
    if (input.kind !== 'image' && flags.dryRun) return await dryRun(input, destination, flags);
    if (input.kind === 'image') await unpackWholeImage(input, destination, flags);
    else await unpackOneLayer(input, destination, flags, given);
    return 0;
  } catch (error) {
    return reportFailure(error, flags, aftermath(error, destination, flags));
  } finally {
    input?.close();
  }
}

/** Prints what an unpack would do. */
async function dryRun(input: Input, destination: string, flags: UnpackFlags): Promise<number> {
  const [{ listLayer }, { operationLines }] = await Promise.all([
    import('./list-layer.js'),
    import('../render/operation-text.js'),
  ]);
  return await listLayer(input, flags, {
    row: operationLines,
    end: (result) => layerSummary(`Would unpack ${input.name} into ${destination}`, result),
  });
}

async function unpackOneLayer(
  input: Input,
  destination: string,
  flags: UnpackFlags,
  given: readonly string[],
): Promise<void> {
  const { target, rootless, lower: lowers, merge, sync } = flags;
  const existing = merge ? 'merge' : 'refuse';
  const started = process.uptime();
  const progress = new LateProgress(flags.progress);
  try {
    const signal = abortOnSignals();
    const options = {
      ...readOptions(flags),
      target,
      rootless,
      lowers,
      existing,
      sync,
      signal,
      thread: 'caller',
    } as const;
    const { source } = input;
    const unpacking = () => progress.show(unpackLayer(source, destination, options));
    const isSmall = input.kind === undefined && typeof source === 'string';
    const layer = await (isSmall ? unpackInThisThread(source, unpacking) : unpacking());
    const seconds = process.uptime() - started;
    printResult(
      flags,
      { destination, target, ...layer, seconds },
      layerSummary(`Unpacked ${input.name} into ${destination} in ${formatSeconds(seconds)}`, layer),
    );
  } catch (error) {
    if (!(await holdsImages(error, input))) throw error;
    const image = { ...input, kind: 'image' } as const;
    checkOptions(image, given);
    await unpackWholeImage(image, destination, flags);
  }
}

/** Some archives of images are recognized only by files near their end: they were not detected as images before. */
async function holdsImages(error: unknown, { source }: Input): Promise<boolean> {
  if (!OverlayerError.is(error) || error.code !== 'InvalidArgument' || typeof source !== 'string')
    return false;
  try {
    await (await openImageArchive(source, { scratch: tmpdir() })).close();
    return true;
  } catch (failure) {
    if (OverlayerError.is(failure)) return false;
    throw failure;
  }
}

async function unpackWholeImage(input: Input, destination: string, flags: UnpackFlags): Promise<void> {
  const { createPullProgress } = await import('../render/progress/pull-progress.js');
  const started = process.uptime();
  const platform = platformOf(flags);
  const { limits } = readOptions(flags);
  const view = createPullProgress(flags.progress);
  try {
    await using source = await openImage(input, {
      ...flags,
      scratch: dirname(resolve(destination)),
      onNotice: (notice) => view.tell(notice),
    });
    const { target, rootless, sync } = flags;
    if (target === 'overlay') throw noUpperdir();
    const options = {
      platform,
      target,
      limits,
      rootless,
      sync,
      signal: abortOnSignals(),
      thread: 'caller',
    } as const;
    const task = unpackImage(source, destination, options);
    for await (const event of task) view.tell(event);
    await view.end();
    const image = await task;
    const seconds = process.uptime() - started;
    printResult(
      flags,
      { destination, target, ...image, platform: formatPlatform(image.platform), seconds },
      unpackedImageSummary(`Unpacked ${input.name} into ${destination} in ${formatSeconds(seconds)}`, image),
    );
  } finally {
    await view.end();
  }
}

function noUpperdir(): OverlayerError {
  return new OverlayerError('InvalidArgument', 'Only layers take --target overlay', {
    hint: 'an image becomes one tree (--target directory), or an EROFS file for each layer (--target erofs)',
  });
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
