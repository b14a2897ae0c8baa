import { checkChoice, checkOptions, checkPath } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { type Limits, resolveLimits } from '../base/limits.js';
import { ProgressTask, type Task } from '../base/task.js';
import type { Pool, Taken } from '../base/threads/pool.js';
import { withContext } from '../base/with-context.js';
import type { LowersLater, NeedsLowers } from './apply/lowers-later.js';
import type { OwnerMap } from './apply/shift-owners.js';
import { DiffedLayer } from './diff/diffed-layer.js';
import type { FileFacts } from './manifest/file-facts.js';
import { isSmallSource, useSource } from './open-source.js';
import {
  type LayerProgress,
  type LayerResult,
  type LayerSource,
  type ProgressOptions,
  UNPACK_LAYER_OPTIONS,
  type UnpackLayerOptions,
} from './options.js';
import { runLayer } from './run-layer.js';
import { type Crew, callersCrews, crews } from './worker/crew.js';
import type { ArchiveSummary, DecodeInput, ExpectedLayer, Read } from './worker/jobs.js';

/**
 * Starts the threads that the first layer will need, and does not wait for them. It saves 50 ms of the first layer.
 *
 * @param source path of that layer, if it is known: with `thread: 'caller'` a small one needs no threads
 */
export function warmUp(source?: string, { thread }: Pick<UnpackLayerOptions, 'thread'> = {}): void {
  if (thread === 'caller' && source !== undefined && isSmallSource(source)) return;
  crews.warmUp((crew) => crew.warmUp());
}

/** Key of the events: new progress replaces the progress that was not read yet. */
const PROGRESS = 0;

/**
 * Unpacks one layer into a directory. It decompresses, verifies and writes the layer in one pass, in worker threads and in
 * bounded memory. The events are its progress.
 *
 * A destination that does not exist appears when the layer is complete, verified and synced. After a failure it does not
 * exist. An existing empty directory is filled in place, and is empty again after a failure.
 *
 * With the target `erofs` the layer becomes a file, which must not exist. It appears complete, too.
 *
 * @param destination path of a directory, or of the new file; its parent must exist
 * @throws OverlayerError
 *   - `InvalidArgument`: the archive is malformed, a whiteout has a bad name, or an argument is wrong
 *   - `Unimplemented`: a compression other than gzip and zstd, or a type of entry that no layer has
 *   - `DataLoss`: the digest or diffID differs, or the stream is corrupt or cut off
 *   - `ResourceExhausted`: a limit was reached, or the disk is full
 *   - `FailedPrecondition`: the destination is not empty
 *   - `AlreadyExists`: the file exists (target `erofs`)
 *   - `NotFound`: the source, the destination's parent, a lower layer, or the target of a hard link does not exist
 *   - `PermissionDenied`: the system refused a file
 * @throws `signal.reason` when the signal is aborted
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
  /** The caller removes the destination after a failure, so the error does not say what stays there. */
  readonly temporary: boolean;
  /** Maps the owners of the entries to owners on this host. The lower layers are mapped already. @default not mapped */
  readonly owners?: OwnerMap | undefined;
  /** Collects facts about the files of the layer for its manifest (`manifest/write-manifest.ts`). @default false */
  readonly facts?: boolean | undefined;
  /** The layer is for an overlay whose lower layers are not there yet. @default they are given */
  readonly lowersLater?: LowersLater | undefined;
  /**
   * The caller flushes the file system next, so the disk begins to write a layer file (target `erofs`) while it grows.
   * @default sync
   */
  readonly flushSoon?: boolean | undefined;
}

export interface AppliedLayer {
  readonly layer: LayerResult;
  /** Set with the option `facts`. */
  readonly facts: FileFacts | undefined;
  /** The layer's need of lower layers; set with `lowersLater`. Undefined if it gives the same files on any of them. */
  readonly needsLowers: NeedsLowers | undefined;
}

/**
 * Runs a layer through a crew.
 *
 * @param archive asks the apply thread for its part, and to decode the layer. With `expected` that thread also checks and
 *   commits it: two messages less, which take 0.15 of 4.5 ms
 */
type RunLayer = (
  crew: Taken<Crew>,
  archive: (hash: boolean, decode?: DecodeInput, expected?: ExpectedLayer) => Promise<Read<ArchiveSummary>>,
) => Promise<LayerResult>;

/** `unpackLayer` as a part of a larger operation. @param source may be a layer that is made meanwhile */
export async function applyLayer(
  source: LayerSource | DiffedLayer,
  destination: string,
  options: ApplyLayerOptions,
): Promise<AppliedLayer> {
  const { temporary, owners, facts: wantsFacts = false, lowersLater } = options;
  const { target = 'directory', lowers = [], existing = 'refuse', sync = true, rootless } = options;
  const { flushSoon = sync, thread = 'worker' } = options;
  if (source instanceof DiffedLayer)
    return await unpack((crew, archive) => source.run(crew, options, () => archive(false)), crews);
  return await useSource(source, options, (found) =>
    unpack(
      ({ item }, read) => runLayer(item, found, options, { decodes: true, read }),
      thread === 'caller' && isSmallSource(found) ? callersCrews : crews,
    ),
  );

  async function unpack(run: RunLayer, pool: Pool<Crew>): Promise<AppliedLayer> {
    const limits = resolveLimits(options.limits);
    checkChoice('target', target, ['directory', 'overlay', 'erofs']);
    checkChoice('existing', existing, ['refuse', 'merge']);
    checkChoice('thread', thread, ['worker', 'caller']);
    checkPath('destination', destination);
    for (const lower of lowers) checkPath('lowers', lower);
    if (target === 'erofs') checkForFile(options);
    options.signal?.throwIfAborted();
    using crew = await pool.take(options.signal);
    return await unpackWith(crew, run, limits);
  }

  async function unpackWith(taken: Taken<Crew>, run: RunLayer, limits: Limits): Promise<AppliedLayer> {
    const crew = taken.item;
    let filled = false;
    let facts: FileFacts | undefined;
    let needsLowers: NeedsLowers | undefined;
    try {
      const layer = await run(taken, async (hash, decode, expected) => {
        const commit = expected && { sync, expected };
        const common = { destination, lowers, lowersLater, limits, owners, decode, commit };
        const applied = await (target === 'erofs'
          ? crew.apply.run({ type: 'writeFile', ...common, flushSoon })
          : crew.apply.run({
              ...{ type: 'apply', ...common },
              ...{ temporary, existing, target, rootless, hash, facts: wantsFacts },
            }));
        filled = commit === undefined;
        ({ facts, needsLowers } = applied);
        return applied;
      });
      if (filled) {
        options.signal?.throwIfAborted();
        filled = false;
        await crew.apply.run({ type: 'commit', sync });
      }
      return { layer, facts, needsLowers };
    } catch (error) {
      if (!filled) throw error;
      const stays = await crew.apply.run({ type: 'discard' });
      throw withContext(error, { hint: stays });
    }
  }
}

/** @throws OverlayerError `InvalidArgument`: an option that has no meaning for a layer file */
function checkForFile({ existing, digests }: UnpackLayerOptions): void {
  if (existing === 'merge')
    throw new OverlayerError('InvalidArgument', 'A layer cannot be merged into an EROFS file', {
      hint: "leave out existing: 'merge' (--merge): the target erofs makes a new file",
    });
  if (digests === 'skip')
    throw new OverlayerError('InvalidArgument', 'An EROFS file of a layer needs its diffID', {
      hint: "leave out digests: 'skip' (--no-digests): the file is identified and verified by the diffID",
    });
}
