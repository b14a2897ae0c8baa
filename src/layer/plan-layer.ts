import { setImmediate } from 'node:timers/promises';
import { SPACE } from '../base/gate.js';
import { resolveLimits } from '../base/limits.js';
import type { LayerResult, LayerSource, ReadLayerOptions } from './options.js';
import type { PlannedOperation } from './plan/operation.js';
import { runLayer } from './run-layer.js';
import { type Crew, crews } from './worker/crew.js';

/** The operations of a layer, in its order, and what is said of the whole once they have all been read. */
export interface LayerPlan extends AsyncIterable<PlannedOperation> {
  readonly result: Promise<LayerResult>;
}

/**
 * Reads and verifies a layer as `unpackLayer` does, and writes nothing: for a dry run, an inspection, an audit.
 * It starts when the operations are first asked for, and goes as fast as they are taken; leaving the loop early
 * ends it. A failure comes out of the loop and rejects `result`.
 *
 * @throws OverlayerError as `unpackLayer` does, but for what a file system could refuse
 *
 * @example
 * for await (const { operation, anomalies } of planLayer('layer.tar.gz')) console.log(operation.op, operation.path);
 */
export function planLayer(source: LayerSource, options: ReadLayerOptions = {}): LayerPlan {
  let resolve!: (result: LayerResult) => void;
  let reject!: (error: unknown) => void;
  const result = new Promise<LayerResult>((...settle) => ([resolve, reject] = settle));
  result.catch(() => {}); // it is the loop that must not be overheard
  return {
    result,
    async *[Symbol.asyncIterator]() {
      const left = new AbortController();
      const signal =
        options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
      const batches = new BatchQueue();
      const work = crews.use(async (crew) => {
        batches.attach(crew);
        try {
          return await runLayer(crew, source, { ...options, signal }, (hash) =>
            crew.apply.ask({ type: 'plan', limits: resolveLimits(options.limits), hash }, 'applied'),
          );
        } finally {
          batches.end(); // from here on the crew is somebody else's
        }
      }, signal);
      work.then(resolve, reject).finally(() => batches.end());
      try {
        for await (const batch of batches) yield* batch;
        await result;
      } finally {
        left.abort(new Error('The plan was left before its end'));
        await work.catch(() => {});
      }
    },
  };
}

/** What the apply thread has sent, until it is asked for. Its length is bounded by the thread waiting its turn. */
class BatchQueue {
  readonly #batches: (readonly PlannedOperation[])[] = [];
  #crew: Crew | undefined;
  #ended = false;
  #wake: () => void = () => {};

  attach(crew: Crew): void {
    this.#crew = crew;
    crew.apply.onOperations = (operations) => {
      this.#batches.push(operations);
      this.#wake();
    };
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
        yield batch;
        this.#crew?.pipeline.addInFlight(-1);
        this.#crew?.pipeline.gate.bump(SPACE);
        await setImmediate(); // a thread that is ahead would keep the event loop, and with it every signal, from its turn
      } else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
