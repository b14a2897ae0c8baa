import {
  type Descriptor,
  type Image,
  type ImageSource,
  type ListSourceImagesOptions,
  OverlayerError,
  openRegistry,
  type PullEvent,
  parseReference,
  readImages,
  type Task,
} from '../../index.js';
import { abortOnSignals, Interruption, reportFailure } from '../failure.js';
import type { GetFlags, ImportFlags, PullFlags } from '../flags/image-flags.js';
import { closeLayer, openLayer } from '../input.js';
import { getOptions, registryOptions } from '../options.js';
import { imageDocument, PullTally } from '../render/image.js';
import { printResult } from '../render/print.js';
import { createPullProgress, type PullView } from '../render/progress/pull-progress.js';
import { rootOf, withStore } from '../with-root.js';

/** `unpack` and `inspect` need it before a reference; here it is optional. */
const REGISTRY_SCHEME = /^docker:\/\//;

/** @returns the exit code */
export async function pull(argument: string, flags: PullFlags): Promise<number> {
  const reference = argument.replace(REGISTRY_SCHEME, '');
  const began = begin(flags);
  const signal = abortOnSignals();
  try {
    const options = { ...getOptions(flags), signal, thread: 'caller' } as const;
    await using source = await openRegistry(reference, {
      ...(await registryOptions(flags)),
      onNotice: (notice) => began.view.tell(notice),
    });
    const known = await findKnown(reference, flags);
    const asked = askAhead(source, { known, signal });
    // To load the store keeps this thread busy for 40 ms: the connection is begun before.
    await new Promise((resolve) => setImmediate(resolve));
    return await withStore(
      flags,
      (store) => finish('Pulled', store.import(asked, options), flags, (images) => images, began),
      aftermath,
    );
  } catch (error) {
    return reportFailure(error, flags, aftermath(error));
  } finally {
    await began.view.end();
  }
}

/** The source with its request for the image already sent: the registry answers while the store is opened. */
function askAhead(source: ImageSource, options: ListSourceImagesOptions): ImageSource {
  const images = source.images(options);
  images.catch(() => {}); // the import reports the error
  return {
    description: source.description,
    isRemote: source.isRemote,
    connections: source.connections,
    images: () => images,
    open: (blob, options) => source.open(blob, options),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  };
}

/** @returns the descriptor of the last pull: while it is current, the registry sends no manifest */
async function findKnown(reference: string, flags: PullFlags): Promise<Descriptor | undefined> {
  const { name } = parseReference(reference);
  try {
    return (await readImages(rootOf(flags))).find((image) => image.name === name)?.target;
  } catch {
    return undefined; // opening the store reports the error
  }
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

/** The start of a task, from which its time counts. */
function begin({ progress }: Pick<GetFlags, 'progress'>): { readonly at: number; readonly view: PullView } {
  return { at: performance.now(), view: createPullProgress(progress) };
}

/** Shows the progress of the task, and prints its result. @returns the exit code */
export async function finish<Result>(
  verb: string,
  task: Task<Result, PullEvent>,
  flags: Pick<GetFlags, 'progress' | 'json'>,
  imagesOf: (result: Result) => readonly Image[],
  { at: started, view } = begin(flags),
): Promise<number> {
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
