import { setImmediate } from 'node:timers/promises';
import { OverlayerError } from '../../base/errors.js';
import { resolveLimits } from '../../base/limits.js';
import { displayPath } from '../../base/path-bytes.js';
import { WorkBudget } from '../../base/work-budget.js';
import type { EntryEvent } from '../../layer/read-entries.js';
import type { ExploreOptions, LayerStack } from '../open-stack.js';
import { HiddenTargets } from './hidden-targets.js';
import { type FileFacts, factsOf, type ImageFile } from './image-file.js';
import { readStackLayer } from './read-stack-layer.js';
import { SeenPaths } from './seen-paths.js';

type Events = AsyncGenerator<EntryEvent<FileFacts>, void, void>;

/** See `openImageFiles`. */
export async function* readFiles(
  { layers, contents }: LayerStack,
  options: ExploreOptions,
): AsyncGenerator<ImageFile, void, void> {
  const budget = new WorkBudget(resolveLimits(options.limits));
  const keep = (bytes: number) => budget.keep(bytes);
  const seen = new SeenPaths(keep);
  const targets = new HiddenTargets(seen, keep);
  for (let layer = layers.length - 1; layer >= 0; layer--) {
    const stackLayer = layers[layer]!;
    const place = { layer, layerDigest: contents?.layers[layer]?.descriptor.digest };
    seen.beginLayer(layer);
    const events: Events = readStackLayer(stackLayer, options, (operation) => {
      const how = seen.add(operation);
      if (operation.op === 'whiteout' || operation.op === 'opaque') return undefined;
      if (how === 'hidden') return targets.hidden(operation, place);
      const facts = factsOf(operation, { ...place, again: how === 'again' });
      return operation.op === 'hardlink' ? targets.link(facts) : facts;
    });
    yield* giveFiles(events);
    yield* giveLinks(targets.endLayer());
    if (targets.needsLayerAgain && stackLayer.isReadableAgain)
      yield* giveFiles(
        readStackLayer(stackLayer, options, (operation) =>
          operation.op === 'whiteout' || operation.op === 'opaque'
            ? undefined
            : targets.again(operation, place),
        ),
      );
    yield* giveLinks(targets.next());
    if (seen.isComplete && !targets.isWaiting) return; // lower layers have nothing that is left
  }
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

function* giveLinks(links: Iterable<FileFacts>): Generator<ImageFile, void, void> {
  for (const link of links) yield { ...link, async *body() {} };
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
