import type { Image, PullEvent, Task } from '../../index.js';
import { type GetFlags, getOptions, type RegistryFlags, registryOptions } from '../flags/get-flags.js';
import { closeLayer, openLayer } from '../flags/layer-source.js';
import type { RootFlags } from '../flags/root-flags.js';
import { abortOnSignals, Interruption } from '../interruption.js';
import { imageDocument } from '../render/image-document.js';
import { imageSummary, PullTally } from '../render/image-summary.js';
import { printResult } from '../render/print-result.js';
import { createPullProgress } from '../render/progress/pull-progress.js';
import { withStore } from './with-store.js';

export interface PullFlags extends RootFlags, GetFlags, RegistryFlags {}

export interface ImportFlags extends RootFlags, GetFlags {
  readonly image?: readonly string[];
  readonly name?: string;
}

/** @returns the exit code */
export async function pull(reference: string, flags: PullFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withStore(
    flags,
    async (store) => {
      const options = { ...getOptions(flags), ...(await registryOptions(flags)), signal };
      await finish('Pulled', store.pull(reference, options), flags, (image) => [image]);
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
        await finish('Imported', store.import(from, options), flags, (images) => images);
      } finally {
        closeLayer(from);
      }
    },
    aftermath,
  );
}

/** Shows the task, and then what came of it. */
async function finish<T>(
  verb: string,
  task: Task<T, PullEvent>,
  flags: GetFlags & RootFlags,
  imagesOf: (result: T) => readonly Image[],
): Promise<void> {
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
  const documents = images.map(imageDocument);
  const summary = images.map((image) => imageSummary(verb, image, tally.of(image.name), seconds)).join('');
  printResult(flags, { images: documents, seconds }, summary);
}

/** What a failure leaves behind. */
function aftermath(error: unknown): string | undefined {
  return error instanceof Interruption ? 'what is whole stays; the same command goes on with it' : undefined;
}
