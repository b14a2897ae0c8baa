import { availableParallelism } from 'node:os';
import { resolveLimits } from '../base/limits.js';
import type { Tell } from '../base/task.js';
import { Semaphore } from '../base/threads/semaphore.js';
import type { LayerState, PullEvent } from '../image/pull/pull-event.js';
import { scanLayer } from '../layer/scan-layer.js';
import type { ExploredImage } from './explored-image.js';
import { ExploredTree, type ReadLayer } from './explored-tree.js';
import { ImageTree } from './image-tree.js';
import { LayerTurns } from './layer-turns.js';
import { type ExploreOptions, type ExploreSource, type LayerStack, openStack } from './open-stack.js';

/** See `exploreImage`. */
export async function readImage(
  source: ExploreSource,
  options: ExploreOptions,
  tell: Tell<PullEvent>,
): Promise<ExploredImage> {
  const stack = await openStack(source, options);
  const { name, contents } = stack;
  if (contents !== undefined) {
    const { descriptor: manifest, config, layers } = contents;
    tell({ type: 'plan', name: name ?? manifest.digest, manifest, platform: config.platform, layers });
  }
  const { tree, layers } = await readLayers(stack, options, tell);
  return new ExploredTree(
    tree,
    {
      name,
      digest: contents?.descriptor.digest,
      platform: contents?.config.platform,
      createdAt: contents?.config.createdAt,
    },
    layers,
  );
}

/** Reads layers side by side, and applies them to a tree in their order. */
export async function readLayers(
  { layers, contents }: LayerStack,
  { limits, signal }: ExploreOptions,
  tell: Tell<PullEvent>,
): Promise<{ readonly tree: ImageTree; readonly layers: readonly ReadLayer[] }> {
  const tree = new ImageTree(resolveLimits(limits));
  const failed = new AbortController();
  const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const cores = availableParallelism();
  const places = new Semaphore(cores);
  /** Compressed bytes of each layer that are not read yet; 0 for a single layer. */
  const left = layers.map((_, index) => contents?.layers[index]?.descriptor.size ?? 0);
  const othersKeepCoresBusy = (index: number) =>
    left.reduce((sum, bytes) => sum + bytes) - left[index]! > left[index]! * (cores - 1);
  const turns = new LayerTurns(tree, layers.length, () => stop.throwIfAborted());
  const read = await Promise.all(
    layers.map(async (layer, index) => {
      const leave = await places.enter(stop);
      const onState = (state: LayerState) => {
        left[index] = state.compressedSize - state.compressedBytes;
        tell({ type: 'progress', index, ...state }, index);
      };
      try {
        const result = await layer.read({ signal: stop, onState }, async (bytes, reading) => {
          await turns.begin(index);
          const options = { ...reading, limits, signal: stop, inOneThread: othersKeepCoresBusy(index) };
          return await scanLayer(bytes, options, (entries) => turns.take(index, entries));
        });
        turns.end(index);
        return { result, diffID: layer.diffID, command: layer.command };
      } catch (error) {
        failed.abort(error);
        throw error;
      } finally {
        turns.begin(index);
        leave();
      }
    }),
  );
  return { tree, layers: read };
}
