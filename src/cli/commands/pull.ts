import { type Image, OverlayerError, type PullEvent, type Task } from '../../index.js';
import { abortOnSignals, Interruption } from '../failure.js';
import type { GetFlags, ImportFlags, PullFlags } from '../flags/image-flags.js';
import { closeLayer, openLayer } from '../input.js';
import { getOptions, registryOptions } from '../options.js';
import { imageDocument, PullTally } from '../render/image.js';
import { printResult } from '../render/print.js';
import { createPullProgress } from '../render/progress/pull-progress.js';
import { withStore } from '../with-root.js';

/** `unpack` and `inspect` need it before a reference; here it is optional. */
const REGISTRY_SCHEME = /^docker:\/\//;

/** @returns the exit code */
export async function pull(reference: string, flags: PullFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withStore(
    flags,
    async (store) => {
      const options = { ...getOptions(flags), ...(await registryOptions(flags)), signal };
      return await finish(
        'Pulled',
        store.pull(reference.replace(REGISTRY_SCHEME, ''), options),
        flags,
        (image) => [image],
      );
    },
    aftermath,
  );
}

/** @returns the exit code */
export async function importImages(source: string, flags: ImportFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withStore(
    flags,
    async (store) => {
      const options = { ...getOptions(flags), names: flags.image, name: flags.name, signal };
      const { source: from } = openLayer(source);
      try {
        return await finish('Imported', store.import(from, options), flags, (images) => images);
      } catch (error) {
        throw source === '-' ? emptyInput(error) : error;
      } finally {
        closeLayer(from);
      }
    },
    aftermath,
  );
}

/** Shows the progress of the task, and prints its result. @returns the exit code */
export async function finish<Result>(
  verb: string,
  task: Task<Result, PullEvent>,
  flags: Pick<GetFlags, 'progress' | 'json'>,
  imagesOf: (result: Result) => readonly Image[],
): Promise<number> {
  const started = performance.now();
  const view = createPullProgress(flags.progress);
  const tally = new PullTally();
  try {
    for await (const event of task) {
      tally.add(event);
      view.tell(event);
    }
  } finally {
    await view.end();
  }
  const images = imagesOf(await task);
  const seconds = (performance.now() - started) / 1000;
  const summary = images.map((image) => tally.summary(verb, image, seconds)).join('');
  printResult(flags, { images: images.map(imageDocument), seconds }, summary);
  return 0;
}

/** An archive without a byte has another reason than one of another format. */
function emptyInput(error: unknown): unknown {
  if (!OverlayerError.is(error) || (process.stdin as { bytesRead?: number }).bytesRead !== 0) return error;
  return new OverlayerError('DataLoss', 'Standard input is empty', {
    hint: 'the command before the pipe may have failed',
    cause: error,
  });
}

function aftermath(error: unknown): string | undefined {
  return error instanceof Interruption
    ? 'layers that are complete are kept; run the same command to continue'
    : undefined;
}
