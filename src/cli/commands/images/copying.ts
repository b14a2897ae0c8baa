import {
  type ConvertEvent,
  type CopiedImage,
  type CopyEvent,
  type CopyOptions,
  copyImage,
  type Image,
  OverlayerError,
  type Store,
  type Task,
} from '../../../index.js';
import { abortOnSignals, reportFailure } from '../../failure.js';
import type { ConvertFlags, PushFlags } from '../../flags/image-flags.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import {
  checkCredentials,
  findLocation,
  type Location,
  openSourceAt,
  openTargetAt,
  parseLocation,
} from '../../location.js';
import { platformOf, registryOptions } from '../../options.js';
import { formatSeconds } from '../../render/format.js';
import { imageDocument } from '../../render/image.js';
import { labelledRows, printResult } from '../../render/print.js';
import { type CopyView, createCopyProgress } from '../../render/progress/copy-progress.js';
import { createPullProgress } from '../../render/progress/pull-progress.js';
import { withExistingStore, withStore } from '../../with-root.js';
import { finish } from '../pull.js';

/** @returns the exit code */
export async function push(name: string, reference: string | undefined, flags: PushFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const started = performance.now();
    const to = reference?.replace(/^docker:\/\//, '');
    const options = { ...copyOptions(flags), ...(await registryOptions(flags)), signal };
    const copied = await shown(store.push(name, to, options), await createCopyProgress(flags.progress));
    printCopied(flags, `Pushed ${name} to ${to ?? copied.name}`, [copied], started);
  });
}

/** @returns the exit code */
export async function copy(from: string, to: string, flags: PushFlags): Promise<number> {
  const signal = abortOnSignals();
  try {
    const source = await findLocation(from);
    const target = parseLocation(to);
    checkCredentials([source, target], flags);
    const copying = { source, target, heading: `Copied ${from} to ${to}`, flags, signal };
    if (target.scheme === 'store') return await withStore(flags, (store) => importCopy(store, copying));
    if (source.scheme === 'store') return await withExistingStore(flags, (store) => runCopy(store, copying));
    await runCopy(undefined, copying);
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

/** @returns the exit code */
export async function convert(name: string, flags: ConvertFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const started = performance.now();
    const task = store.convert(name, flags.tag, { ...copyOptions(flags), signal });
    const image = await shownConversion(task, flags.progress);
    const seconds = (performance.now() - started) / 1000;
    const heading = `Converted ${name} to ${image.name} in ${formatSeconds(seconds)}`;
    const text = labelledRows(heading, [['target', image.target.digest]]);
    printResult(flags, { image: imageDocument(image), seconds }, text);
  });
}

/** A view for the layers that are unpacked takes the place of the first one. */
async function shownConversion(task: Task<Image, ConvertEvent>, form: ProgressForm): Promise<Image> {
  const copying = await createCopyProgress(form);
  let unpacking: ReturnType<typeof createPullProgress> | undefined;
  try {
    for await (const event of task)
      if (event.type === 'unpack') {
        if (unpacking === undefined) copying.end();
        unpacking ??= createPullProgress(form);
        unpacking.tell(event.event);
      } else copying.tell(event);
  } finally {
    if (unpacking === undefined) copying.end();
    await unpacking?.end();
  }
  return await task;
}

interface Copying {
  readonly source: Location;
  readonly target: Location;
  readonly heading: string;
  readonly flags: PushFlags;
  readonly signal: AbortSignal;
}

async function runCopy(
  store: Store | undefined,
  { source, target, heading, flags, signal }: Copying,
): Promise<void> {
  const started = performance.now();
  const view = await createCopyProgress(flags.progress);
  const ends = { flags, store, onNotice: view.tell.bind(view), signal };
  await using from = await openSourceAt(source, ends);
  await using to = await openTargetAt(target, ends);
  const task = copyImage(from, to, { ...copyOptions(flags), name: target.name, signal });
  printCopied(flags, heading, await shown(task, view), started);
}

/** A copy to the store: it unpacks the image, as pull and import do. */
async function importCopy(store: Store, { source, target, flags, signal }: Copying): Promise<number> {
  if (flags.compression !== undefined || flags.oci)
    throw new OverlayerError('InvalidArgument', 'A copy to the store changes no layers', {
      hint: 'copy the image first, and then convert it: overlayer convert IMAGE -t NEW',
    });
  const view = await createCopyProgress(flags.progress);
  await using from = await openSourceAt(source, { flags, store, onNotice: view.tell.bind(view), signal });
  const { concurrency } = flags;
  const task = store.import(from, { name: target.place, platform: platformOf(flags), concurrency, signal });
  return await finish('Copied', task, flags, (images) => images);
}

function copyOptions(flags: PushFlags | ConvertFlags): CopyOptions {
  const { compression, concurrency, oci } = flags;
  return { ...compression, oci, concurrency, platform: platformOf(flags) };
}

/** Shows the progress of a task. @returns its result */
async function shown<Result>(task: Task<Result, CopyEvent>, view: CopyView): Promise<Result> {
  try {
    for await (const event of task) view.tell(event);
  } finally {
    view.end();
  }
  return await task;
}

function printCopied(
  flags: PushFlags,
  heading: string,
  images: readonly CopiedImage[],
  started: number,
): void {
  const seconds = (performance.now() - started) / 1000;
  const rows = images.map(({ target }) => ['target', target.digest] as const);
  printResult(flags, { images, seconds }, labelledRows(`${heading} in ${formatSeconds(seconds)}`, rows));
}
