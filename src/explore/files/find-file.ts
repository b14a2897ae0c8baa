import { OverlayerError } from '../../base/errors.js';
import { resolveLimits } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { WorkBudget } from '../../base/work-budget.js';
import { cleanPath } from '../../layer/plan/clean-path.js';
import type { Operation } from '../../layer/plan/operation.js';
import type { ExploreOptions, LayerStack, StackLayer } from '../open-stack.js';
import { type Found, findInLayers, MAX_LINKS } from './find-in-layers.js';
import { readStackLayer } from './read-stack-layer.js';
import { SeenPaths } from './seen-paths.js';
import { Spool } from './spool.js';

/** Finds a file as `readImageFile` does. @returns its verified bytes */
export async function findFile(
  { layers }: LayerStack,
  path: string,
  options: ExploreOptions,
): Promise<Spool> {
  let wanted = path;
  let top = layers.length - 1;
  for (let links = 0; ; links++) {
    const found = await findEntry(layers.slice(0, top + 1), wanted, options);
    if (found instanceof Spool) return found;
    if (links > MAX_LINKS) throw tooManyLinks(path, wanted);
    // The target of a hard link is what lower layers and its own one have there.
    ({ link: wanted, layer: top } = found);
  }
}

/** @returns the bytes of the file, or the hard link that the path leads to */
async function findEntry(
  layers: readonly StackLayer[],
  path: string,
  options: ExploreOptions,
): Promise<Spool | { readonly link: string; readonly layer: number }> {
  const budget = new WorkBudget(resolveLimits(options.limits));
  const seen = new SeenPaths((bytes) => budget.keep(bytes));
  let found: Found = findInLayers(seen, path);
  for (let layer = layers.length - 1; layer >= 0 && isOpen(found) && !seen.isComplete; layer--) {
    const place = found.path;
    seen.beginLayer(layer);
    const spool = await spoolFile(layers[layer]!, options, (operation) => {
      const isThere = seen.add(operation) !== 'hidden';
      return isThere && operation.path === place;
    });
    found = findInLayers(seen, path);
    if (found.kind === 'entry' && found.path === place && found.entry.op === 'file' && spool !== undefined)
      return spool;
    await spool?.[Symbol.asyncDispose]();
  }
  if (found.kind !== 'entry') throw noFile(path, found);
  const { entry, path: place } = found;
  if (entry.op === 'hardlink') return entry;
  if (entry.op !== 'file') throw refused(path, place, `it is a ${entry.op}`, 'only files have bytes');
  const layer = layers[entry.layer]!;
  if (!layer.isReadableAgain)
    throw new OverlayerError(
      'FailedPrecondition',
      `Cannot read "${displayPath(path)}": it leads to "${displayPath(place)}", which the stream of the layer has passed`,
      { hint: 'write the layer to a file first, and name the file' },
    );
  const spool = await spoolFile(layer, options, (operation) => operation.path === place);
  return spool!;
}

/** Whether lower layers decide. */
function isOpen(found: Found): boolean {
  return found.kind === 'unknown' || (found.kind === 'directory' && !found.isCertain);
}

/**
 * Reads a layer to its end.
 *
 * @param isWanted called with each operation
 * @returns the bytes of the last wanted file; undefined if the last wanted entry is none
 */
async function spoolFile(
  layer: StackLayer,
  options: ExploreOptions,
  isWanted: (operation: Operation) => boolean,
): Promise<Spool | undefined> {
  let spool: Spool | undefined;
  const drop = async () => {
    await spool?.[Symbol.asyncDispose]();
    spool = undefined;
  };
  try {
    const events = readStackLayer(layer, options, (operation) =>
      isWanted(operation) && operation.op !== 'whiteout' && operation.op !== 'opaque' ? operation : undefined,
    );
    for await (const event of events) {
      if (event.type === 'data') await spool?.write(event.bytes, event.position);
      if (event.type !== 'entry') continue;
      await drop();
      const { op, entry } = event.admitted;
      if (op === 'file') spool = await Spool.create(entry.size);
    }
    return spool;
  } catch (error) {
    await drop();
    throw error;
  }
}

/** The reason why a path leads to no file, when all layers that may have it were read. */
function noFile(path: string, found: Exclude<Found, { kind: 'entry' }>): OverlayerError {
  const { kind } = found;
  switch (kind) {
    case 'directory':
      return refused(path, found.path, 'it is a directory', 'name a file; overlayer files lists a directory');
    case 'no-directory':
      return refused(path, found.path, 'it is no directory', 'only directories hold files');
    case 'too-many-links':
      return tooManyLinks(path, found.path);
    case 'absent':
    case 'unknown':
      return new OverlayerError('NotFound', `There is no "${displayPath(path)}" in the image`, {
        hint: 'list the image (overlayer files), or ask for its history: a layer may have removed it',
      });
    default:
      return kind satisfies never;
  }
}

function tooManyLinks(path: string, place: string): OverlayerError {
  return refused(path, place, `more than ${MAX_LINKS} links lead on from it`, 'the links may form a loop');
}

/** @param place where the path leads */
function refused(path: string, place: string, why: string, hint: string): OverlayerError {
  const at = place === cleanPath(path).path ? why : `it leads to "${displayPath(place)}", and ${why}`;
  return new OverlayerError('InvalidArgument', `Cannot read "${displayPath(path)}": ${at}`, { hint });
}
