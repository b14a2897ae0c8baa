import { setMaxListeners } from 'node:events';
import { availableParallelism, totalmem } from 'node:os';
import { isCode, OverlayerError } from '../../base/errors.js';
import type { Tell } from '../../base/task.js';
import { Semaphore } from '../../base/threads/semaphore.js';
import { planLayer } from '../../layer/plan-layer.js';
import { warmUp } from '../../layer/unpack-layer.js';
import { isNonDistributable } from '../../oci/media-types.js';
import { fillSnapshot, type Unpack, type UnpackedSnapshot } from '../../snapshot/fill/fill-snapshot.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { inLayer } from '../source/blob-bytes.js';
import { LAYER_BLOB_LABEL } from '../store/image-labels.js';
import { fetchLayer, StaleBytesError, stateOf } from './fetch-layer.js';
import type { PullContext } from './pull-context.js';
import type { LayerPhase, LayerState, PlannedLayer, PullEvent } from './pull-event.js';

/** Memory of the threads of one layer, with the part of the layer that they hold. */
const BYTES_EACH = 128 * 1024 ** 2;

/** The number of concurrent layers. */
interface Concurrency {
  readonly first: number;
  /** The bound while the network is slower than unpacking. */
  readonly most: number;
}

/**
 * Half as many layers as cores: a layer keeps two threads busy when its bytes arrive in time. On two cores an image of
 * 1.35 GB takes 5.1 s one layer at a time, and 5.7 s two at a time, since each thread compiles its code. When connections
 * are slow, several of them are faster: up to one layer per core. Fewer when memory is short.
 */
export function defaultConcurrency(): Concurrency {
  const constrained = process.constrainedMemory();
  const memory = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const cores = availableParallelism();
  const bounded = (layers: number) => Math.max(1, Math.floor(Math.min(layers, memory / 4 / BYTES_EACH)));
  return { first: bounded(cores / 2), most: bounded(cores) };
}

/** @throws OverlayerError `InvalidArgument` */
export function fixedConcurrency(layers: number): Concurrency {
  if (Number.isSafeInteger(layers) && layers > 0) return { first: layers, most: layers };
  throw new OverlayerError('InvalidArgument', `Not a number of layers at once: ${layers}`);
}

/** A layer has a connection of its own. */
export function boundedBy(connections: number | undefined, { first, most }: Concurrency): Concurrency {
  return { first: Math.min(first, connections ?? first), most: Math.min(most, connections ?? most) };
}

interface UnpackLayersOptions {
  readonly layers: readonly PlannedLayer[];
  readonly concurrency: Concurrency;
  readonly tell: Tell<PullEvent>;
}

/**
 * Makes a chain of snapshots of layers, the lowest first. Existing snapshots are reused. When the backend can rebase,
 * layers are unpacked concurrently and committed in order.
 *
 * @throws the first layer's failure; the others have ended by then
 */
export async function unpackLayers(context: PullContext, options: UnpackLayersOptions): Promise<void> {
  const { layers } = options;
  const present = await countPresent(context, layers);
  // The threads start while the first layer is requested.
  if (present < layers.length && context.thread !== 'caller') warmUp();
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  // Each layer adds several listeners: many of them are no leak.
  setMaxListeners(0, signal);
  const chain = new LayerChain({ ...context, signal }, options);
  const all = layers.map((_, index) => (index < present ? chain.skip(index) : chain.add(index)));
  for (const layer of all) layer.catch((error: unknown) => failed.abort(error));
  const outcomes = await Promise.allSettled(all);
  if (outcomes.every(({ status }) => status === 'fulfilled')) return;
  context.signal.throwIfAborted();
  throw failed.signal.reason;
}

/** Looks under the lock: a garbage collection either sees the lease, or has already deleted the snapshot. */
async function countPresent(
  { parts, signal }: PullContext,
  layers: readonly PlannedLayer[],
): Promise<number> {
  const { snapshots } = parts;
  for (const [index, { chainID }] of layers.entries()) {
    if (!(await snapshots.withLock(chainID, () => isCommitted(snapshots, chainID), { signal }))) return index;
  }
  return layers.length;
}

/** Resolves when the layer may start, to a function that ends its turn. */
type Turn = Promise<() => void>;

/** Another process may leave damaged bytes again. */
const MOST_STALE = 2;

async function isCommitted(snapshots: Snapshotter, name: string): Promise<boolean> {
  return (await snapshots.find(name))?.kind === 'committed';
}

class LayerChain {
  readonly #context: PullContext;
  readonly #options: UnpackLayersOptions;
  readonly #slots: Semaphore;
  #size: number;
  readonly #isParallel: boolean;
  /** The layer that was last added. */
  #below: Promise<unknown> | undefined;

  constructor(context: PullContext, options: UnpackLayersOptions) {
    this.#context = context;
    this.#options = options;
    this.#size = options.concurrency.first;
    this.#slots = new Semaphore(this.#size);
    const { capabilities } = context.parts.snapshots.backend;
    // Also with one layer at a time: the next one is unpacked while the last one is committed.
    this.#isParallel = capabilities.includes('rebase');
  }

  add(index: number): Promise<void> {
    const added = this.#unpack(index, this.#below);
    this.#below = added;
    return added;
  }

  /** Passes over a layer whose snapshot is there. */
  async skip(index: number): Promise<void> {
    let turn: Turn | undefined;
    try {
      await this.#skip(index, () => (turn = this.#slots.enter(this.#context.signal)));
    } finally {
      turn?.then(
        (leave) => leave(),
        () => {},
      );
    }
  }

  /** Fetches the layer's blob if it is to be kept and is not there: it was not kept before, or was lost. */
  async #skip(index: number, enter: () => Turn): Promise<void> {
    const layer = this.#options.layers[index]!;
    const { parts, keepBlobs } = this.#context;
    const { digest, mediaType } = layer.descriptor;
    if (keepBlobs && !isNonDistributable(mediaType) && !(await parts.content.find(digest))) {
      await enter();
      await this.#fetchBlob(index);
    }
    this.#options.tell({ type: 'skip', index, chainID: layer.chainID });
  }

  /** The blob is verified as if it were unpacked: its diffID is the one that the snapshot was made of. */
  async #fetchBlob(index: number): Promise<void> {
    const layer = this.#options.layers[index]!;
    const verify: Unpack = async (source, { thread: _, ...options }) => await planLayer(source, options);
    try {
      await this.#orAgain(index, () =>
        fetchLayer(this.#context, layer, verify, {
          onState: ({ phase, ...state }) => this.#tell(index, phase, state),
          onStarved: () => this.#widen(),
        }),
      );
    } catch (error) {
      // An archive may leave out a layer that its reader has.
      if (!isCode(error, 'NotFound')) throw error;
    }
  }

  async #unpack(index: number, below: Promise<unknown> | undefined): Promise<void> {
    const layer = this.#options.layers[index]!;
    this.#tell(index, 'waiting', {
      compressedBytes: 0,
      compressedSize: layer.descriptor.size,
      bytes: 0,
      entries: 0,
    });
    // Turns are given in the order of the commits: a layer that starts late delays all layers above it.
    const turn = this.#slots.enter(this.#context.signal);
    turn.catch(() => {}); // the layer may fail before it waits for its turn
    try {
      if (!this.#isParallel) await below;
      await this.#make(index, this.#isParallel ? below : undefined, turn);
    } finally {
      turn.then(
        (leave) => leave(),
        () => {},
      );
    }
  }

  async #make(index: number, below: Promise<unknown> | undefined, turn: Turn): Promise<void> {
    const { layer: result } = await this.#orAgain(index, () => this.#fill(index, below, turn));
    const { chainID } = this.#options.layers[index]!;
    if (result === undefined) await this.#skip(index, () => turn);
    else this.#options.tell({ type: 'commit', index, chainID, layer: result });
  }

  /** Starts again when bytes of an earlier pull are damaged: first a blob, then a partial blob. */
  async #orAgain<T>(index: number, attempt: () => Promise<T>): Promise<T> {
    for (let stale = 0; ; stale++)
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof StaleBytesError))
          throw inLayer(this.#options.layers[index]!.descriptor.digest, error);
        if (stale === MOST_STALE) throw error.cause;
      }
  }

  async #fill(index: number, below: Promise<unknown> | undefined, turn: Turn): Promise<UnpackedSnapshot> {
    const { parts, signal, lease } = this.#context;
    const { layers } = this.#options;
    const layer = layers[index]!;
    const { chainID, diffID, descriptor } = layer;
    return await fillSnapshot(parts.snapshots, {
      name: chainID,
      parent: layers[index - 1]?.chainID,
      parentCommitted: below,
      diffID,
      labels: { [LAYER_BLOB_LABEL]: descriptor.digest },
      signal,
      fill: async (unpack) => {
        const leave = await turn;
        const result = await fetchLayer(this.#context, layer, unpack, {
          onState: ({ phase, ...state }) => this.#tell(index, phase, state),
          onStarved: () => this.#widen(),
        });
        // The layer now only waits for the layers below.
        leave();
        this.#tell(index, 'committing', stateOf(layer, result));
        lease.noteMade({ type: 'snapshot', id: chainID });
        return result;
      },
    });
  }

  /** Adds a concurrent layer: another connection increases the throughput. */
  #widen(): void {
    if (this.#size === this.#options.concurrency.most) return;
    this.#size += 1;
    this.#slots.widen();
  }

  #tell(index: number, phase: LayerPhase, state: Omit<LayerState, 'phase'>): void {
    this.#options.tell({ type: 'progress', index, phase, ...state }, index);
  }
}
