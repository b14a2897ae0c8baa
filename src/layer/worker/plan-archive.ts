import { CountedSet } from '../../base/counted-set.js';
import type { Limits } from '../../base/limits.js';
import { SPACE } from '../../base/threads/gate.js';
import { WorkBudget } from '../../base/work-budget.js';
import type { TarEntry, TarSink } from '../../tar/types.js';
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
export interface PlanConsumer {
  operation(operation: Operation, anomalies: Anomaly[], report: (anomaly: Anomaly) => void): void;
  /** Bytes of the last operation's entry. */
  data(bytes: Uint8Array, start: number, end: number, position: number): void;
  /** The last operation's entry is complete. */
  end(): void;
  /** The archive is complete. */
  finish?(): void;
}

/** Plans the entries of an archive, and passes operations and data on to a consumer. */
export class PlanSink implements TarSink {
  readonly budget: WorkBudget;
  readonly #limits: Limits;
  readonly #consumer: PlanConsumer;
  readonly #log = new AnomalyLog();
  #whiteouts = 0;
  #listsRoot = false;
  #isPlanned = false;

  /** @param look called from time to time; throws to abort */
  constructor(limits: Limits, look: () => void, open: (budget: WorkBudget) => PlanConsumer) {
    this.#limits = limits;
    this.budget = new WorkBudget(limits, { look });
    this.#consumer = open(this.budget);
  }

  entry(entry: TarEntry): void {
    this.budget.begin(entry);
    this.budget.charge(1 + (entry.xattrs?.size ?? 0));
    const anomalies: Anomaly[] = [];
    const report = (anomaly: Anomaly) => {
      anomalies.push(anomaly);
      this.#log.add(anomaly);
    };
    const operation = planEntry(entry, this.#limits, report);
    this.#isPlanned = operation !== undefined;
    if (operation === undefined) return;
    if (operation.path === '' && operation.op === 'directory') this.#listsRoot = true;
    if (operation.op === 'whiteout' || operation.op === 'opaque') this.#whiteouts += 1;
    this.#consumer.operation(operation, anomalies, report);
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#isPlanned) this.#consumer.data(bytes, start, end, position);
  }

  entryEnd(): void {
    if (this.#isPlanned) this.#consumer.end();
  }

  /** The archive is complete. */
  finish(): Pick<ArchiveSummary, 'whiteouts' | 'listsRoot' | 'anomalies'> {
    this.#consumer.finish?.();
    return { whiteouts: this.#whiteouts, listsRoot: this.#listsRoot, anomalies: this.#log.summary() };
  }
}

/** Reads a layer's archive into a consumer of its plan. */
export async function consumePlan(
  pipeline: Pipeline,
  { limits, hash }: Pick<PlanInput, 'limits' | 'hash'>,
  open: (budget: WorkBudget) => PlanConsumer,
): Promise<ArchiveSummary> {
  const sink = new PlanSink(limits, () => pipeline.gate.throwIfAborted(), open);
  const read = await readArchive(pipeline, new ArchiveReader(pipeline, hash), sink, limits);
  return { ...read, ...sink.finish() };
}

/** Plans a layer and sends its operations in batches. */
export function planArchive(
  pipeline: Pipeline,
  input: PlanInput,
  tell: (operations: readonly PlannedOperation[]) => void,
): Promise<ArchiveSummary> {
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
