import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { type ExploreOptions, type ExploreSource, OverlayerError, openStore } from '../index.js';
import type { LookFlags } from './flags/explore-flags.js';
import { checkOptions, openImage, openInput } from './input.js';
import { limitsOf, platformOf } from './options.js';
import { existingImages } from './with-root.js';

/** An image or a layer that is looked into, under the name that the user gave it. */
export interface ExploredInput extends AsyncDisposable {
  readonly source: ExploreSource;
  readonly options: Pick<ExploreOptions, 'platform' | 'limits'>;
}

type Opened = Omit<ExploredInput, 'options'>;

const STORE = 'store:';

/**
 * Opens an image of the store, or whatever `unpack` takes: a file, a layout, a registry's image, a layer. A file comes before
 * an image of the store with the same name; `store:NAME` is always of the store.
 *
 * @param given the options on the command line
 * @throws OverlayerError `NotFound`; as `openInput` and `openImage`
 */
export async function openExplored(
  argument: string,
  flags: LookFlags,
  given: readonly string[],
): Promise<ExploredInput> {
  const options = { platform: platformOf(flags), limits: limitsOf(flags) };
  if (argument.startsWith(STORE))
    return { ...(await openStored(argument.slice(STORE.length), flags)), options };
  const stored = mayBeStored(argument) ? await findStored(argument, flags) : undefined;
  if (stored !== undefined) return { ...stored, options };
  const input = await openInput(argument, given);
  checkOptions(input, given);
  if (input.kind !== 'image')
    return { source: input.source, options, [Symbol.asyncDispose]: async () => input.close() };
  const source = await openImage(input, { ...flags, scratch: tmpdir() });
  return {
    source,
    options,
    async [Symbol.asyncDispose]() {
      await source.close();
      input.close();
    },
  };
}

function mayBeStored(argument: string): boolean {
  return (
    argument !== '-' &&
    !argument.includes('://') &&
    statSync(argument, { throwIfNoEntry: false }) === undefined
  );
}

/** @returns undefined when there is no such image, so that the name may be something else */
async function findStored(name: string, flags: LookFlags): Promise<Opened | undefined> {
  try {
    return await openStored(name, flags);
  } catch (error) {
    // There is no store, or it has no such image; or the packages for a store are not installed.
    if (OverlayerError.is(error) && (error.code === 'NotFound' || error.code === 'Unimplemented'))
      return undefined;
    throw error;
  }
}

async function openStored(name: string, flags: LookFlags): Promise<Opened> {
  const store = await openStore({ root: existingImages(flags) });
  try {
    const source = await store.images.source(name);
    return {
      source,
      async [Symbol.asyncDispose]() {
        await source.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
