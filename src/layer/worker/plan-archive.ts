import { CountedSet } from '../../base/counted-set.js';
import { SPACE } from '../../base/threads/gate.js';
import { WorkBudget } from '../../base/work-budget.js';
import type { TarEntry } from '../../tar/types.js';
import { type Anomaly, AnomalyLog } from '../plan/anomaly.js';
import type { Operation, PlannedOperation } from '../plan/operation.js';
import { planEntry } from '../plan/plan.js';
import type { ArchiveSummary, PlanInput } from './jobs.js';
import type { Pipeline } from './pipeline.js';
import { ArchiveReader, readArchive } from './read-archive.js';

/** Operations of a message to the caller. */
export const BATCH = 256;
/** How many batches may wait for the caller before this thread waits. */
const MAX_IN_FLIGHT = 4;

/** Consumes the plan of a layer. */
interface PlanConsumer {
  operation(operation: Operation, anomalies: Anomaly[], report: (anomaly: Anomaly) => void): void;
  /** Bytes of the last operation's entry. */
  data(bytes: Uint8Array, start: number, end: number, position: number): void;
  /** The last operation's entry is complete. */
  end(): void;
  /** The archive is complete. */
  finish(): void;
}

/** Reads a layer's archive into a consumer of its plan. */
export function consumePlan(
  pipeline: Pipeline,
  { limits, hash }: Pick<PlanInput, 'limits' | 'hash'>,
  open: (budget: WorkBudget) => PlanConsumer,
): ArchiveSummary {
  const log = new AnomalyLog();
  const budget = new WorkBudget(limits, { look: () => pipeline.gate.throwIfAborted() });
  const consumer = open(budget);
  let whiteouts = 0;
  let listsRoot = false;
  let isPlanned = false;
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
        isPlanned = operation !== undefined;
        if (operation === undefined) return;
        if (operation.path === '' && operation.op === 'directory') listsRoot = true;
        if (operation.op === 'whiteout' || operation.op === 'opaque') whiteouts += 1;
        consumer.operation(operation, anomalies, report);
      },
      data(bytes: Uint8Array, start: number, end: number, position: number) {
        if (isPlanned) consumer.data(bytes, start, end, position);
      },
      entryEnd() {
        if (isPlanned) consumer.end();
      },
    },
    limits,
  );
  consumer.finish();
  return { ...read, whiteouts, listsRoot, anomalies: log.summary() };
}

/** Plans a layer and sends its operations in batches. */
export function planArchive(
  pipeline: Pipeline,
  input: PlanInput,
  tell: (operations: readonly PlannedOperation[]) => void,
): ArchiveSummary {
  let batch: PlannedOperation[] = [];
  const flush = () => {
    waitTurn(pipeline);
    tell(batch);
    batch = [];
  };
  return consumePlan(pipeline, input, (budget) => {
    const seen = new CountedSet((bytes) => budget.keep(bytes));
    return {
      operation(operation, anomalies, report) {
        const { op, path, entry } = operation;
        if (op !== 'whiteout' && op !== 'opaque') {
          if (seen.has(path)) report({ kind: 'duplicate', entry: entry.path, offset: entry.offset });
          else seen.add(path);
        }
        if (!input.wantsOperations) return;
        batch.push({ operation, anomalies });
        if (batch.length === BATCH) flush();
      },
      data() {},
      end() {},
      finish() {
        if (batch.length > 0) flush();
      },
    };
  });
}

/** Waits until the caller has taken enough batches. The caller counts those that it has taken (`addInFlight`). */
export function waitTurn(pipeline: Pipeline): void {
  for (;;) {
    const seen = pipeline.gate.look(SPACE);
    if (pipeline.inFlight < MAX_IN_FLIGHT) break;
    pipeline.gate.wait(SPACE, seen);
  }
  pipeline.addInFlight(1);
}
