import { checkChoice, checkOptions, checkPath } from '../base/check-arguments.js';
import { type Limits, resolveLimits } from '../base/limits.js';
import { ProgressTask, type Task } from '../base/task.js';
import { withContext } from '../base/with-context.js';
import type { LowersLater, NeedsLowers } from './apply/lowers-later.js';
import type { OwnerMap } from './apply/shift-owners.js';
import type { FileFacts } from './manifest/file-facts.js';
import { type FoundSource, useSource } from './open-source.js';
import {
  type LayerProgress,
  type LayerResult,
  type LayerSource,
  type ProgressOptions,
  UNPACK_LAYER_OPTIONS,
  type UnpackLayerOptions,
} from './options.js';
import { runLayer } from './run-layer.js';
import { type Crew, crews } from './worker/crew.js';

/**
 * Starts the threads that the first layer will need, and does not wait for them. A process that knows early that
 * it will unpack something saves 50 ms so.
 */
export function warmUp(): void {
  crews.warmUp();
}

/** Key of the one kind of event: the latest progress replaces the earlier. */
const PROGRESS = 0;

/**
 * Unpacks one layer into a directory: decompresses, verifies and writes it in one pass, off the caller's event
 * loop, in bounded memory.
 *
 * A destination that does not exist appears only once the layer is whole, verified and synced; after any failure
 * it does not exist. An empty directory is filled where it is, and is empty again after a failure.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: malformed archive, bad whiteout name, option that makes no sense
 *   - `Unimplemented`: another compression than gzip and zstd, a type of entry that no layer has
 *   - `DataLoss`: digest or diffID is another, stream corrupt or cut off
 *   - `ResourceExhausted`: one of `limits`, a full disk
 *   - `FailedPrecondition`: destination not empty
 *   - `NotFound`: source, destination's parent, lower layer, target of a hard link
 *   - `PermissionDenied`
 * @throws `signal.reason` when the signal asks for the end
 *
 * @example
 * const { diffID, entries } = await unpackLayer('layer.tar.gz', 'rootfs');
 */
export function unpackLayer(
  source: LayerSource,
  destination: string,
  options: UnpackLayerOptions = {},
): Task<LayerResult, LayerProgress> {
  return new ProgressTask(async (tell) => {
    checkOptions('unpackLayer', options, UNPACK_LAYER_OPTIONS);
    const onProgress = (progress: LayerProgress) => tell(progress, PROGRESS);
    const { layer } = await applyLayer(source, destination, { ...options, temporary: false, onProgress });
    return layer;
  });
}

export interface ApplyLayerOptions extends UnpackLayerOptions, ProgressOptions {
  /** The caller takes the destination away after a failure, so no error speaks of what stays there. */
  readonly temporary: boolean;
  /** Whose the entries are on this host; lower layers and what is there have those owners already. @default as they say */
  readonly owners?: OwnerMap | undefined;
  /** Take down what is known of the files that the layer brings, for a manifest (`manifest/write-manifest.ts`). @default false */
  readonly facts?: boolean | undefined;
  /** The layer is for an overlay whose lower layers are not there yet. @default they are given */
  readonly lowersLater?: LowersLater | undefined;
}

export interface AppliedLayer {
  readonly layer: LayerResult;
  /** Where they were asked for. */
  readonly facts: FileFacts | undefined;
  /** With `lowersLater`: what the layer relies on; undefined where it comes out the same upon any layers. */
  readonly needsLowers: NeedsLowers | undefined;
}

/** `unpackLayer`, as a part of more. */
export async function applyLayer(
  source: LayerSource,
  destination: string,
  options: ApplyLayerOptions,
): Promise<AppliedLayer> {
  const { temporary, owners, facts: wantsFacts = false, lowersLater } = options;
  const { target = 'directory', lowers = [], existing = 'refuse', sync = true, rootless } = options;
  return await useSource(source, options, async (found) => {
    const limits = resolveLimits(options.limits);
    checkChoice('target', target, ['directory', 'overlay']);
    checkChoice('existing', existing, ['refuse', 'merge']);
    checkPath('destination', destination);
    for (const lower of lowers) checkPath('lowers', lower);
    options.signal?.throwIfAborted();
    return await crews.use((crew) => unpackWith(crew, found, limits), options.signal);
  });

  async function unpackWith(crew: Crew, found: FoundSource, limits: Limits): Promise<AppliedLayer> {
    let filled = false;
    let facts: FileFacts | undefined;
    let needsLowers: NeedsLowers | undefined;
    try {
      const layer = await runLayer(crew, found, options, async (hash) => {
        const applied = await crew.apply.run({
          type: 'apply',
          destination,
          temporary,
          existing,
          target,
          rootless,
          lowers,
          lowersLater,
          limits,
          hash,
          owners,
          facts: wantsFacts,
        });
        filled = true;
        ({ facts, needsLowers } = applied);
        return applied;
      });
      options.signal?.throwIfAborted();
      filled = false;
      await crew.apply.run({ type: 'commit', sync });
      return { layer, facts, needsLowers };
    } catch (error) {
      if (!filled) throw error;
      const stays = await crew.apply.run({ type: 'discard' });
      throw withContext(error, { hint: stays });
    }
  }
}
