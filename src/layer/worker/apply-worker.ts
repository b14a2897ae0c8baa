import { addHint } from '../../base/add-hint.js';
import { WorkBudget } from '../../base/work-budget.js';
import { Destination } from '../../rootfs/destination.js';
import { closeQuietly } from '../../rootfs/directory.js';
import { resolveIdentity } from '../../rootfs/identity.js';
import { findLinuxSystem, openLinuxSystem } from '../../system/linux.js';
import type { System } from '../../system/system.js';
import { Applier } from '../apply/applier.js';
import { FileFactsLog } from '../manifest/file-facts.js';
import { ArchiveReader } from './archive-reader.js';
import { FileQueue } from './file-queue.js';
import type { Answer, Request } from './messages.js';
import { openTree } from './open-tree.js';
import { PendingFiles } from './pending-files.js';
import type { Pipeline } from './pipeline.js';
import { planArchive } from './plan-archive.js';
import { readArchive } from './read-archive.js';
import { serve, unexpected } from './serve.js';
import { writeDiff } from './write-diff.js';

// A plan calls no kernel, so it is also made where `openLinuxSystem` fails.
const exactModes = findLinuxSystem()?.clearThreadUmask() === false;
const NOT_EMPTY = 'choose another one, or merge the layer into it (--merge)';
/** Of all that the process may have open: for directories as for files, and there may be several threads like this one. */
const SHARE_OF_DESCRIPTORS = 8;
/** Filled, and waiting for the word that its digests are right. */
let filled: Destination | undefined;

/** The thread that decodes the archive and writes it; or reads trees, and writes the archive of their difference. */
serve((request, pipeline, send) => {
  switch (request.type) {
    case 'plan':
      return planArchive(pipeline, request, send);
    case 'apply':
      return apply(request, pipeline);
    case 'diff':
      return writeDiff(openLinuxSystem(), pipeline, request);
    case 'commit':
      take().commit(request.sync);
      return { type: 'settled' };
    case 'discard':
      return { type: 'settled', stays: take().discard() };
    default:
      throw unexpected(request);
  }
});

function take(): Destination {
  const destination = filled!;
  filled = undefined;
  return destination;
}

function apply(request: Request & { type: 'apply' }, pipeline: Pipeline): Answer {
  const system = openLinuxSystem();
  const destination = Destination.open(system, request.destination, request.existing, NOT_EMPTY);
  const lowers: number[] = [];
  try {
    for (const path of request.lowers) lowers.push(openTree(system, path, 'Lower layer'));
    const answer = applyTo(system, destination, lowers, request, pipeline);
    filled = destination;
    return answer;
  } catch (error) {
    // Nobody may wait for us while we clean up.
    pipeline.gate.abort();
    const stays = destination.discard();
    const isChanged = destination.kind === 'merge' && !request.temporary;
    throw addHint(error, isChanged ? `what was changed in "${request.destination}" until then stays` : stays);
  } finally {
    for (const lower of lowers) closeQuietly(system, lower);
  }
}

function applyTo(
  system: System,
  destination: Destination,
  lowers: readonly number[],
  request: Request & { type: 'apply' },
  pipeline: Pipeline,
): Answer {
  const { target, limits, hash, owners, lowersLater } = request;
  const budget = new WorkBudget(limits, {
    lowers: lowers.length,
    look: () => pipeline.gate.throwIfAborted(),
  });
  const facts = request.facts ? new FileFactsLog() : undefined;
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
    identity: resolveIdentity(request.rootless),
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
      ...{ type: 'applied', ...read, whiteouts, listsRoot, needsLowers },
      anomalies: anomalies.summary(),
      facts: facts?.all(),
    };
  } finally {
    applier.close();
  }
}
