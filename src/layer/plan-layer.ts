import { setImmediate } from 'node:timers/promises';
import { checkOptions } from '../base/check-arguments.js';
import { resolveLimits } from '../base/limits.js';
import { DataTask, type Task } from '../base/task.js';
import { SPACE } from '../base/threads/gate.js';
import type { Taken } from '../base/threads/pool.js';
import { useSource } from './open-source.js';
import { type LayerResult, type LayerSource, PLAN_LAYER_OPTIONS, type PlanLayerOptions } from './options.js';
import type { PlannedOperation } from './plan/operation.js';
import { runLayer } from './run-layer.js';
import { type Crew, crews } from './worker/crew.js';

/**
 * Reads and verifies a layer as `unpackLayer` does, and writes nothing: for a dry run, an inspection, an audit. The
 * events are the operations, in the order of the layer. Without a loop they are not sent to the caller's thread.
 *
 * @throws OverlayerError as `unpackLayer`, except for the errors of a file system
 * @throws `signal.reason` when the signal is aborted
 *
 * @example
 * const plan = planLayer('layer.tar.gz');
 * for await (const { operation, anomalies } of plan) console.log(operation.op, operation.path, anomalies.length);
 * const { diffID, entries } = await plan;
 */
export function planLayer(
  source: LayerSource,
  options: PlanLayerOptions = {},
): Task<LayerResult, PlannedOperation> {
  return new DataTask((wantsOperations) => plan(source, options, wantsOperations));
}

async function* plan(
  source: LayerSource,
  options: PlanLayerOptions,
  wantsOperations: boolean,
): AsyncGenerator<PlannedOperation, LayerResult, void> {
  checkOptions('planLayer', options, PLAN_LAYER_OPTIONS);
  const left = new AbortController();
  const signal = options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
  const batches = new BatchQueue();
  const work = useSource(source, options, async (found) => {
    const limits = resolveLimits(options.limits);
    signal.throwIfAborted();
    using taken = await crews.take(signal);
    batches.attach(taken);
    try {
      return await runLayer(
        taken.item,
        found,
        { ...options, signal },
        {
          decodes: true,
          read: (hash, decode) =>
            taken.item.apply.run({ type: 'plan', limits, hash, wantsOperations, decode }, (operations) =>
              batches.add(operations),
            ),
        },
      );
    } finally {
      batches.end(); // another layer has the crew next
    }
  });
  work.catch(() => {}).finally(() => batches.end());
  try {
    for await (const batch of batches) yield* batch;
    return await work;
  } finally {
    left.abort(new Error('The plan was left before its end'));
    await work.catch(() => {});
  }
}

/** Operations that the loop has not taken yet. The apply thread waits when it has four batches here. */
class BatchQueue {
  readonly #batches: (readonly PlannedOperation[])[] = [];
  #crew: Taken<Crew> | undefined;
  #ended = false;
  #wake: () => void = () => {};

  attach(crew: Taken<Crew>): void {
    this.#crew = crew;
  }

  add(operations: readonly PlannedOperation[]): void {
    this.#batches.push(operations);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#crew = undefined;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly PlannedOperation[], void, void> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch !== undefined) {
        const callerIsBack = this.#crew?.awaitCaller();
        try {
          yield batch;
        } finally {
          callerIsBack?.();
        }
        const pipeline = this.#crew?.item.pipeline;
        pipeline?.addInFlight(-1);
        pipeline?.gate.bump(SPACE);
        await setImmediate(); // without it, a thread that is ahead would keep signals and timers from running
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
