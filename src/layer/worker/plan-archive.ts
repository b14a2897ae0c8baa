import { CountedSet } from '../../base/counted-set.js';
import { SPACE } from '../../base/threads/gate.js';
import { WorkBudget } from '../../base/work-budget.js';
import type { TarEntry } from '../../tar/types.js';
import { type Anomaly, AnomalyLog } from '../plan/anomaly.js';
import type { PlannedOperation } from '../plan/operation.js';
import { planEntry } from '../plan/plan.js';
import type { ArchiveSummary, PlanInput } from './jobs.js';
import type { Pipeline } from './pipeline.js';
import { ArchiveReader, readArchive } from './read-archive.js';

const BATCH = 256;
/** How many batches may wait for the caller before this thread waits. */
const MAX_IN_FLIGHT = 4;

/** Plans a layer and sends its operations in batches. */
export function planArchive(
  pipeline: Pipeline,
  { limits, hash, wantsOperations }: PlanInput,
  tell: (operations: readonly PlannedOperation[]) => void,
): ArchiveSummary {
  const log = new AnomalyLog();
  const budget = new WorkBudget(limits, { look: () => pipeline.gate.throwIfAborted() });
  const seen = new CountedSet((bytes) => budget.keep(bytes));
  let whiteouts = 0;
  let listsRoot = false;
  let batch: PlannedOperation[] = [];
  const flush = () => {
    waitTurn(pipeline);
    tell(batch);
    batch = [];
  };
  const read = readArchive(
    pipeline,
    new ArchiveReader(pipeline, hash),
    {
      entry(entry: TarEntry) {
        budget.begin(entry);
        budget.charge(1 + (entry.xattrs?.size ?? 0));
        const anomalies: Anomaly[] = [];
        const report = (anomaly: Anomaly) => {
          anomalies.push(anomaly);
          log.add(anomaly);
        };
        const operation = planEntry(entry, limits, report);
        if (operation === undefined) return;
        if (operation.path === '' && operation.op === 'directory') listsRoot = true;
        if (operation.op === 'whiteout' || operation.op === 'opaque') whiteouts += 1;
        else if (seen.has(operation.path))
          report({ kind: 'duplicate', entry: entry.path, offset: entry.offset });
        else seen.add(operation.path);
        if (!wantsOperations) return;
        batch.push({ operation, anomalies });
        if (batch.length === BATCH) flush();
      },
      data() {},
      entryEnd() {},
    },
    limits,
  );
  if (batch.length > 0) flush();
  return { ...read, whiteouts, listsRoot, anomalies: log.summary() };
}

function waitTurn(pipeline: Pipeline): void {
  for (;;) {
    const seen = pipeline.gate.look(SPACE);
    if (pipeline.inFlight < MAX_IN_FLIGHT) break;
    pipeline.gate.wait(SPACE, seen);
  }
  pipeline.addInFlight(1);
}
