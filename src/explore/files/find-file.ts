import { OverlayerError } from '../../base/errors.js';
import { resolveLimits } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { WorkBudget } from '../../base/work-budget.js';
import { NONE } from '../../erofs/records.js';
import { cleanPath } from '../../layer/plan/clean-path.js';
import type { Operation } from '../../layer/plan/operation.js';
import type { EntryType } from '../../tar/types.js';
import { ROOT } from '../image-tree.js';
import type { ExploreOptions, LayerStack, StackLayer } from '../open-stack.js';
import { type Found, findInLayers, MAX_LINKS } from './find-in-layers.js';
import { followEntries, readLayersTree } from './layers-tree.js';
import { readStackLayer } from './read-stack-layer.js';
import { SeenPaths } from './seen-paths.js';
import { Spool } from './spool.js';

/** Finds a file as `readImageFile` does. @returns its verified bytes */
export async function findFile(stack: LayerStack, path: string, options: ExploreOptions): Promise<Spool> {
  return (await findFromTop(stack, path, options)) ?? (await findInTree(stack, path, options));
}

/** Reads layers from the top. @returns undefined when that does not tell what the path is */
async function findFromTop(
  { layers }: LayerStack,
  path: string,
  options: ExploreOptions,
): Promise<Spool | undefined> {
  const budget = new WorkBudget(resolveLimits(options.limits));
  const seen = new SeenPaths((bytes) => budget.keep(bytes));
  let found = findInLayers(seen, path);
  for (let layer = layers.length - 1; layer >= 0 && found.kind === 'unknown' && !seen.isComplete; layer--) {
    const place = found.path;
    let isSure = true;
    seen.beginLayer(layer);
    const spool = await spoolFile(layers[layer]!, options, (operation) => {
      const how = isSure ? seen.add(operation) : 'unsure';
      if (how === 'unsure') isSure = false;
      return operation.path === place && (how === 'first' || how === 'again');
    });
    if (isSure) found = findInLayers(seen, path);
    if (isSure && spool !== undefined && found.path === place) return spool;
    await spool?.[Symbol.asyncDispose]();
    if (!isSure) return undefined;
  }
  const entry = fileAt(path, found);
  const file = entry.op === 'hardlink' ? entry.link : found.path;
  const layer = layers[entry.layer]!;
  if (!layer.isReadableAgain)
    throw new OverlayerError(
      'FailedPrecondition',
      `Cannot read "${displayPath(path)}": it leads to "${displayPath(file)}", which the stream of the layer has passed`,
      { hint: 'write the layer to a file first, and name the file' },
    );
  const spool = await spoolFile(layer, options, (operation) => operation.path === file);
  return spool!;
}

/** Reads all layers, and then the one that has the file. */
async function findInTree(stack: LayerStack, path: string, options: ExploreOptions): Promise<Spool> {
  const tree = await readLayersTree(stack, options);
  const found = findInLayers(
    {
      root: ROOT,
      lookUp(directory, text) {
        const name = tree.find(directory, text);
        const node = name === NONE ? NONE : tree.nodeOf(name);
        if (node === NONE) return 'absent';
        return { name, entry: { op: tree.nodes.typeOf(node), link: tree.nodes.targetOf(node), node } };
      },
    },
    path,
  );
  const { node } = fileAt(path, found);
  const layer = tree.nodes.madeBy(node);
  const nodeOf = followEntries(tree, layer);
  const spool = await spoolFile(stack.layers[layer]!, options, (operation) => nodeOf(operation) === node);
  return spool!;
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

/** @returns the file or hard link that a path leads to, when all layers that may have it were read */
function fileAt<Entry extends { readonly op: EntryType }>(path: string, found: Found<Entry>): Entry {
  const { kind } = found;
  switch (kind) {
    case 'entry': {
      const { op } = found.entry;
      if (op === 'file' || op === 'hardlink') return found.entry;
      throw refused(path, found.path, `it is a ${op}`, 'only files have bytes');
    }
    case 'directory':
      throw refused(path, found.path, 'it is a directory', 'name a file; overlayer files lists a directory');
    case 'no-directory':
      throw refused(path, found.path, 'it is no directory', 'only directories hold files');
    case 'too-many-links':
      throw refused(
        path,
        found.path,
        `more than ${MAX_LINKS} links lead on from it`,
        'the links may form a loop',
      );
    case 'absent':
    case 'unknown':
      throw new OverlayerError('NotFound', `There is no "${displayPath(path)}" in the image`, {
        hint: 'list the image (overlayer files), or ask for its history: a layer may have removed it',
      });
    default:
      return kind satisfies never;
  }
}

/** @param place where the path leads */
function refused(path: string, place: string, why: string, hint: string): OverlayerError {
  const at = place === cleanPath(path).path ? why : `it leads to "${displayPath(place)}", and ${why}`;
  return new OverlayerError('InvalidArgument', `Cannot read "${displayPath(path)}": ${at}`, { hint });
}
