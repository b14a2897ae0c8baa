import { Ring } from '../../base/threads/ring.js';
import type { JobHandlers } from '../../base/threads/worker-thread.js';
import { withContext } from '../../base/with-context.js';
import { WorkBudget } from '../../base/work-budget.js';
import { Destination } from '../../rootfs/destination.js';
import { closeQuietly, openTree } from '../../rootfs/directory.js';
import { resolveIdentity } from '../../rootfs/identity.js';
import { findLinuxSystem, openLinuxSystem } from '../../system/linux.js';
import { Applier } from '../apply/applier.js';
import { checkLayer } from '../check-layer.js';
import { FileFactsLog } from '../manifest/file-facts.js';
import type { MergedErofsLayers } from '../options.js';
import { SourceDecoder } from './decode-source.js';
import { FileQueue } from './file-queue.js';
import type {
  AppliedArchive,
  ApplyInput,
  ApplyJobs,
  CommitLayer,
  DecodedSource,
  DecodeInput,
  MergeInput,
  Read,
  RecompressedArchive,
  RecompressInput,
} from './jobs.js';
import { PendingFiles } from './pending-files.js';
import type { Alone, Pipeline } from './pipeline.js';
import { ArchiveReader, readArchive } from './read-archive.js';

const NOT_EMPTY = 'choose another one, or merge the layer into it (--merge)';
/** The part of the process's descriptors that one apply thread may use, for directories and for files. */
const SHARE_OF_DESCRIPTORS = 8;

/** A destination that is complete, and not visible yet. */
interface Filled {
  commit(sync: boolean): void;
  discard(): string | undefined;
}

interface ApplyOptions {
  /** The umask cannot be cleared: modes are set after a file is created. */
  readonly exactModes: boolean;
  /** See `Alone.pause`. */
  readonly pause?: Alone['pause'];
}

/**
 * The jobs of the apply thread. The modules of all but `apply` are loaded when they are needed: the command line unpacks a
 * small layer with `apply` alone. It decodes an archive and writes its entries; or it reads trees and writes the archive of
 * their difference; or it compresses an archive anew.
 */
export function applyJobs(pipeline: Pipeline, options: ApplyOptions): JobHandlers<ApplyJobs> {
  /** Filled by `apply` or `writeFile`; waits to be committed or discarded. */
  let filled: Filled | undefined;
  const take = (): Filled => {
    const destination = filled!;
    filled = undefined;
    return destination;
  };
  const look = () => pipeline.gate.throwIfAborted();
  /** Checks and commits what was filled. Nothing of it is left after an error. */
  const commit = (archive: Read<AppliedArchive>, { sync, expected }: CommitLayer): void => {
    const destination = take();
    try {
      checkLayer(expected, archive, archive.decoded ?? pipeline.waitDecoded());
      look();
    } catch (error) {
      throw withContext(error, { hint: destination.discard() });
    }
    destination.commit(sync);
  };
  const read = <T extends object>(
    { decode }: { readonly decode: DecodeInput | undefined },
    work: () => Promise<T>,
  ) => readLayer(pipeline, decode, options, work);
  const fill = async (
    input: { readonly decode: DecodeInput | undefined; readonly commit: CommitLayer | undefined },
    work: () => Promise<AppliedArchive>,
  ): Promise<Read<AppliedArchive>> => {
    const archive = await read(input, work);
    if (input.commit !== undefined) commit(archive, input.commit);
    return archive;
  };
  return {
    apply: (input) =>
      fill(input, async () => {
        const destination = Destination.open(openLinuxSystem(), input.destination, input.existing, NOT_EMPTY);
        const applied = await apply(pipeline, destination, input, options);
        filled = destination;
        return applied;
      }),
    writeFile: (input) =>
      fill(input, async () => {
        const { LayerFileWriter } = await import('./layer-file-writer.js');
        const file = LayerFileWriter.open(openLinuxSystem(), input.destination);
        const applied = await orDiscarded(pipeline, file, () => file.fill(pipeline, input));
        filled = file;
        return applied;
      }),
    async pack(input) {
      const { packLayerFile } = await import('./layer-file-writer.js');
      packLayerFile(openLinuxSystem(), input, look);
    },
    merge: (input) => merge(pipeline, input),
    plan: (input, tell) =>
      read(input, async () => {
        const { planArchive } = await import('./plan-archive.js');
        return await planArchive(pipeline, input, tell);
      }),
    scan: (input, tell) =>
      read(input, async () => {
        const { scanArchive } = await import('./scan-archive.js');
        return await scanArchive(pipeline, input, tell);
      }),
    async diff(input) {
      const { diffTrees } = await import('./diff-trees.js');
      return diffTrees(openLinuxSystem(), pipeline, input);
    },
    recompress: (input) => recompress(pipeline, input),
    commit: ({ sync }) => take().commit(sync),
    discard: () => take().discard(),
  };
}

/** Runs work that reads the archive of a layer, and decodes the layer for it where `decode` is set. */
async function readLayer<Archive extends object>(
  pipeline: Pipeline,
  decode: DecodeInput | undefined,
  { pause }: ApplyOptions,
  work: () => Promise<Archive>,
): Promise<Read<Archive>> {
  if (decode === undefined) return await work();
  using decoder = new SourceDecoder(pipeline, findLinuxSystem(), decode);
  const format = decoder.detect();
  let decoded: DecodedSource | undefined;
  const produce = async () => {
    decoded = await decoder.decode(format);
  };
  pipeline.alone = { produce, consume() {}, pause };
  try {
    return { ...(await work()), decoded };
  } finally {
    pipeline.alone = undefined;
  }
}

async function apply(
  pipeline: Pipeline,
  destination: Destination,
  input: ApplyInput,
  options: ApplyOptions,
): Promise<AppliedArchive> {
  const system = openLinuxSystem();
  const lowers: number[] = [];
  try {
    for (const path of input.lowers) lowers.push(openTree(system, path, 'Lower layer'));
    return await applyTo(pipeline, destination, lowers, { ...input, ...options });
  } catch (error) {
    // The other threads would wait while this one cleans up.
    pipeline.gate.abort();
    const stays = destination.discard();
    const isChanged = destination.kind === 'merge' && !input.temporary;
    throw withContext(error, {
      hint: isChanged ? `the changes in "${input.destination}" up to this error stay` : stays,
    });
  } finally {
    for (const lower of lowers) closeQuietly(system, lower);
  }
}

async function merge(pipeline: Pipeline, input: MergeInput): Promise<MergedErofsLayers> {
  const { LayerFilesMerge } = await import('./layer-files-merge.js');
  const look = () => pipeline.gate.throwIfAborted();
  const file = LayerFilesMerge.open(openLinuxSystem(), input, look);
  const merged = await orDiscarded(pipeline, file, () => {
    const written = file.fill();
    look();
    return written;
  });
  file.commit(input.sync);
  return merged;
}

async function recompress(pipeline: Pipeline, input: RecompressInput): Promise<RecompressedArchive> {
  const { compressArchive } = await import('./encode-archive.js');
  const archive = new ArchiveReader(pipeline, true);
  archive.begin();
  try {
    await compressArchive(archive, new Ring(input.ring, pipeline.gate), input);
    return { diffID: archive.finish()! };
  } catch (error) {
    archive.abandon();
    throw error;
  }
}

async function orDiscarded<T>(pipeline: Pipeline, file: Filled, fill: () => T | Promise<T>): Promise<T> {
  try {
    return await fill();
  } catch (error) {
    // The other threads would wait while this one cleans up.
    pipeline.gate.abort();
    throw withContext(error, { hint: file.discard() });
  }
}

async function applyTo(
  pipeline: Pipeline,
  destination: Destination,
  lowers: readonly number[],
  input: ApplyInput & ApplyOptions,
): Promise<AppliedArchive> {
  const system = openLinuxSystem();
  const { target, limits, hash, owners, lowersLater } = input;
  const budget = new WorkBudget(limits, {
    lowers: lowers.length,
    look: () => pipeline.gate.throwIfAborted(),
  });
  const facts = input.facts ? new FileFactsLog() : undefined;
  const ring = pipeline.waitArchive();
  const queue = new FileQueue(pipeline.files, system, ring.bytes);
  const maxOpen = Math.floor(system.descriptorLimit() / SHARE_OF_DESCRIPTORS);
  const finisher = new PendingFiles(queue, ring, pipeline.gate, { facts, maxOpen });
  const archive = new ArchiveReader(pipeline, hash, finisher);
  const applier = new Applier(system, destination.descriptor, {
    target,
    limits,
    budget,
    lowers,
    lowersLater,
    identity: resolveIdentity(input.rootless),
    destination: destination.kind,
    exactModes: input.exactModes,
    maxOpen,
    finisher,
    owners,
    facts,
  });
  try {
    // Closing 75 directories takes 0.2 ms, in which the other thread would have nothing to do afterwards.
    const read = await readArchive(pipeline, archive, applier, limits, { atEnd: () => applier.finish() });
    const { whiteouts, listsRoot, needsLowers, anomalies } = applier;
    return {
      ...{ ...read, whiteouts, listsRoot, needsLowers },
      anomalies: anomalies.summary(),
      facts: facts?.all(),
    };
  } finally {
    applier.close();
  }
}
