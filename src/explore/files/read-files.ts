import { setImmediate } from 'node:timers/promises';
import { OverlayerError } from '../../base/errors.js';
import { resolveLimits } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { WorkBudget } from '../../base/work-budget.js';
import { NONE } from '../../erofs/records.js';
import type { EntryEvent } from '../../layer/read-entries.js';
import { ROOT } from '../image-tree.js';
import type { ExploreOptions, LayerStack } from '../open-stack.js';
import { findPath } from '../tree-walk.js';
import { type FileFacts, factsOf, type ImageFile, isListed } from './image-file.js';
import { followEntries, readLayersTree } from './layers-tree.js';
import { readStackLayer } from './read-stack-layer.js';
import { SeenPaths } from './seen-paths.js';

type Events = AsyncGenerator<EntryEvent<FileFacts>, void, void>;

/** A layer, and how many of its operations the loop has got from the top. */
interface Rest {
  readonly layer: number;
  readonly operations: number;
}

/** See `openImageFiles`. */
export async function* readFiles(
  stack: LayerStack,
  options: ExploreOptions,
): AsyncGenerator<ImageFile, void, void> {
  const rest = yield* readFromTop(stack, options);
  if (rest !== undefined) yield* readFromTree(stack, options, rest);
}

/** @returns the first operation that depends on lower layers, from the top; undefined when all files were given */
async function* readFromTop(
  stack: LayerStack,
  options: ExploreOptions,
): AsyncGenerator<ImageFile, Rest | undefined, void> {
  const { layers } = stack;
  const budget = new WorkBudget(resolveLimits(options.limits));
  const seen = new SeenPaths((bytes) => budget.keep(bytes));
  for (let layer = layers.length - 1; layer >= 0 && !seen.isComplete; layer--) {
    let isSure = true;
    let operations = 0;
    seen.beginLayer(layer);
    const place = placeOf(stack, layer);
    const events = readStackLayer(layers[layer]!, options, (operation) => {
      const how = isSure ? seen.add(operation) : 'unsure';
      if (how === 'unsure') isSure = false;
      else operations += 1;
      if (how === 'unsure' || how === 'hidden' || !isListed(operation)) return undefined;
      return factsOf(operation, { ...place, again: how === 'again' });
    });
    yield* giveFiles(events);
    if (!isSure) return { layer, operations };
  }
  return undefined;
}

/** Gives the rest of an image by its tree. The layers are read twice: for the tree, and for the bytes. */
async function* readFromTree(
  stack: LayerStack,
  options: ExploreOptions,
  rest: Rest,
): AsyncGenerator<ImageFile, void, void> {
  const tree = await readLayersTree(stack, options);
  const { nodes } = tree;
  /** Paths of `rest.layer` that the loop has got: 1. */
  const listed = new Uint8Array(tree.paths);
  for (let { layer } = rest; layer >= 0; layer--) {
    const place = placeOf(stack, layer);
    const nodeOf = followEntries(tree, layer);
    const given = layer === rest.layer ? rest.operations : 0;
    let index = 0;
    const events = readStackLayer(stack.layers[layer]!, options, (operation) => {
      const node = nodeOf(operation);
      const isGiven = index++ < given;
      if (!isListed(operation)) return undefined;
      if (isGiven) listed[findPath(tree, operation.path)] = 1;
      if (node === NONE || nodes.namesOf(node) === 0) return undefined;
      const own = nodes.ownPathOf(node);
      const path = tree.textOf(own);
      if (path === '' || (isGiven && path === operation.path)) return undefined;
      return { ...factsOf(operation, { ...place, again: isGiven || listed[own] === 1 }), path };
    });
    yield* giveFiles(events);
  }
  // Further names of files.
  for (let path = ROOT + 1; path < tree.paths; path++) {
    const node = tree.nodeOf(path);
    if (node === NONE || nodes.isDirectory(node) || nodes.ownPathOf(node) === path) continue;
    const layer = tree.layerOf(path);
    if (layer > rest.layer) continue;
    const facts: FileFacts = {
      path: tree.textOf(path),
      type: 'hardlink',
      mode: nodes.modeOf(node),
      ...nodes.ownerOf(node),
      size: 0,
      mtimeSec: nodes.mtimeOf(node),
      linkPath: tree.textOf(nodes.ownPathOf(node)),
      ...placeOf(stack, layer),
      again: listed[path] === 1,
    };
    yield { ...facts, async *body() {} };
  }
}

function placeOf({ contents }: LayerStack, layer: number): Pick<ImageFile, 'layer' | 'layerDigest'> {
  return { layer, layerDigest: contents?.layers[layer]?.descriptor.digest };
}

async function* giveFiles(events: Events): AsyncGenerator<ImageFile, void, void> {
  for await (const event of events) {
    if (event.type !== 'entry') continue; // the rest of a body that was not read to its end
    const body = new Body(event.admitted, events);
    try {
      yield { ...event.admitted, body: () => body.read() };
    } finally {
      body.pass();
    }
  }
}

const HOLE_CHUNK_BYTES = 64 * 1024;
/** Chunks of zeros between two turns of the event loop. */
const HOLES_AT_ONCE = 16;

/** The bytes of one file. */
class Body {
  readonly #file: FileFacts;
  readonly #events: Events;
  #state: 'unread' | 'read' | 'past' = 'unread';

  constructor(file: FileFacts, events: Events) {
    this.#file = file;
    this.#events = events;
  }

  async *read(): AsyncGenerator<Uint8Array, void, void> {
    this.#check('unread');
    this.#state = 'read';
    let position = 0;
    for (;;) {
      this.#check('read');
      const { value: event, done } = await this.#events.next();
      if (done || event.type !== 'data') break;
      yield* this.#holes(event.position - position);
      this.#check('read');
      position = event.position + event.bytes.length;
      yield Buffer.from(event.bytes);
    }
    yield* this.#holes(this.#file.size - position);
  }

  /** The next file is taken. */
  pass(): void {
    this.#state = 'past';
  }

  async *#holes(length: number): AsyncGenerator<Uint8Array, void, void> {
    for (let left = length, chunks = 1; left > 0; left -= HOLE_CHUNK_BYTES, chunks++) {
      this.#check('read');
      if (chunks % HOLES_AT_ONCE === 0) await setImmediate();
      yield Buffer.alloc(Math.min(left, HOLE_CHUNK_BYTES));
    }
  }

  #check(wanted: 'unread' | 'read'): void {
    if (this.#state === wanted) return;
    const path = displayPath(this.#file.path);
    throw new OverlayerError(
      'FailedPrecondition',
      `Cannot read the bytes of "${path}": ${this.#state === 'past' ? 'the loop has gone on to the next file' : 'they were read before'}`,
      { hint: 'read them once, before the loop takes the next file' },
    );
  }
}
