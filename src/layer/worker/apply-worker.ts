import { Ring } from '../../base/threads/ring.js';
import { handleJobs, threadData } from '../../base/threads/worker-thread.js';
import { withContext } from '../../base/with-context.js';
import { WorkBudget } from '../../base/work-budget.js';
import { Destination } from '../../rootfs/destination.js';
import { closeQuietly, openTree } from '../../rootfs/directory.js';
import { resolveIdentity } from '../../rootfs/identity.js';
import { findLinuxSystem, openLinuxSystem } from '../../system/linux.js';
import type { System } from '../../system/system.js';
import { Applier } from '../apply/applier.js';
import { FileFactsLog } from '../manifest/file-facts.js';
import type { MergedErofsLayers } from '../options.js';
import { diffTrees } from './diff-trees.js';
import { compressArchive } from './encode-archive.js';
import { FileQueue } from './file-queue.js';
import type {
  AppliedArchive,
  ApplyInput,
  ApplyJobs,
  MergeInput,
  RecompressedArchive,
  RecompressInput,
  WriteFileInput,
} from './jobs.js';
import { LayerFileWriter, packLayerFile } from './layer-file-writer.js';
import { LayerFilesMerge } from './layer-files-merge.js';
import { PendingFiles } from './pending-files.js';
import { Pipeline, type PipelineMemory } from './pipeline.js';
import { planArchive } from './plan-archive.js';
import { ArchiveReader, readArchive } from './read-archive.js';
import { scanArchive } from './scan-archive.js';

// The apply thread. It decodes an archive and writes its entries; or it reads trees and writes the archive of their
// difference; or it compresses an archive anew.

const pipeline = new Pipeline(threadData<PipelineMemory>());
// A plan does not call the kernel, and works where `openLinuxSystem` fails.
const exactModes = findLinuxSystem()?.clearThreadUmask() === false;
const NOT_EMPTY = 'choose another one, or merge the layer into it (--merge)';
/** The part of the process's descriptors that one apply thread may use, for directories and for files. */
const SHARE_OF_DESCRIPTORS = 8;
/** Filled by `apply` or `writeFile`; waits for `commit` or `discard`. */
let filled: Filled | undefined;

/** A destination that is complete, and not visible yet. */
interface Filled {
  commit(sync: boolean): void;
  discard(): string | undefined;
}

handleJobs<ApplyJobs>(
  {
    apply,
    writeFile,
    pack: (input) => packLayerFile(openLinuxSystem(), input, () => pipeline.gate.throwIfAborted()),
    merge,
    plan: (input, tell) => planArchive(pipeline, input, tell),
    scan: (input, tell) => scanArchive(pipeline, input, tell),
    diff: (input) => diffTrees(openLinuxSystem(), pipeline, input),
    recompress,
    commit: ({ sync }) => take().commit(sync),
    discard: () => take().discard(),
  },
  // The other threads would wait for bytes, or for room, that never come.
  () => pipeline.gate.abort(),
);

function take(): Filled {
  const destination = filled!;
  filled = undefined;
  return destination;
}

function apply(input: ApplyInput): AppliedArchive {
  const system = openLinuxSystem();
  const destination = Destination.open(system, input.destination, input.existing, NOT_EMPTY);
  const lowers: number[] = [];
  try {
    for (const path of input.lowers) lowers.push(openTree(system, path, 'Lower layer'));
    const applied = applyTo(system, destination, lowers, input);
    filled = destination;
    return applied;
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

function writeFile(input: WriteFileInput): AppliedArchive {
  const file = LayerFileWriter.open(openLinuxSystem(), input.destination);
  const applied = orDiscarded(file, () => file.fill(pipeline, input));
  filled = file;
  return applied;
}

function merge(input: MergeInput): MergedErofsLayers {
  const look = () => pipeline.gate.throwIfAborted();
  const file = LayerFilesMerge.open(openLinuxSystem(), input, look);
  const merged = orDiscarded(file, () => {
    const written = file.fill();
    look();
    return written;
  });
  file.commit(input.sync);
  return merged;
}

async function recompress(input: RecompressInput): Promise<RecompressedArchive> {
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

function orDiscarded<T>(file: Filled, fill: () => T): T {
  try {
    return fill();
  } catch (error) {
    // The other threads would wait while this one cleans up.
    pipeline.gate.abort();
    throw withContext(error, { hint: file.discard() });
  }
}

function applyTo(
  system: System,
  destination: Destination,
  lowers: readonly number[],
  input: ApplyInput,
): AppliedArchive {
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
    exactModes,
    maxOpen,
    finisher,
    owners,
    facts,
  });
  try {
    const read = readArchive(pipeline, archive, applier, limits);
    applier.finish();
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
