import { createHash, type Hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Deferred } from '../base/deferred.js';
import { resolveLimits } from '../base/limits.js';
import { DATA } from '../base/threads/gate.js';
import type { Taken } from '../base/threads/pool.js';
import { useSource } from './open-source.js';
import type { LayerResult, LayerSource, PlanLayerOptions } from './options.js';
import type { Operation } from './plan/operation.js';
import { runLayer } from './run-layer.js';
import { type Crew, crews } from './worker/crew.js';
import type { ArchiveSummary } from './worker/jobs.js';
import { INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './worker/pipeline.js';
import { PlanSink } from './worker/plan-archive.js';
import { ArchiveDecoder } from './worker/read-archive.js';

/** An event of a layer that is read entry by entry. */
export type EntryEvent<Admitted> =
  | { readonly type: 'entry'; readonly admitted: Admitted }
  /** Bytes of the last entry, which are valid until the next event is taken. */
  | { readonly type: 'data'; readonly bytes: Uint8Array; readonly position: number }
  | { readonly type: 'end' };

/** Decides on the next operation of a layer. @returns undefined when neither the entry nor its data are wanted */
export type Admit<Admitted> = (operation: Operation) => Admitted | undefined;

/**
 * Reads a layer as `planLayer` does, with the data of files. One thread decompresses and hashes the layer, and the caller's
 * thread reads the archive, in steps of 128 KiB. Data are lent to the caller, and not copied.
 *
 * The digest of the blob proves its bytes, when all events were taken. The diffID of a compressed layer is neither computed
 * nor verified.
 *
 * @throws OverlayerError as `planLayer`
 * @throws `signal.reason` when the signal is aborted
 */
export async function* readEntries<Admitted>(
  source: LayerSource,
  options: Omit<PlanLayerOptions, 'diffID'>,
  admit: Admit<Admitted>,
): AsyncGenerator<EntryEvent<Admitted>, LayerResult, void> {
  const { signal } = options;
  const begun = new Deferred<{ readonly crew: Taken<Crew>; readonly hash: boolean }>();
  const archive = new Deferred<ArchiveSummary>();
  const work = useSource(source, options, async (found) => {
    signal?.throwIfAborted();
    using crew = await crews.take(signal);
    return await runLayer(crew.item, found, options, {
      decodes: false,
      async read(hash) {
        begun.resolve({ crew, hash });
        return await archive.promise;
      },
    });
  });
  work.catch(begun.reject);
  try {
    const { crew, hash } = await begun.promise;
    archive.resolve(yield* decode(crew, hash, options, admit));
  } catch (error) {
    archive.reject(error); // the work throws the first thread's error, which tells more
  } finally {
    // The threads share memory, so they must have ended before the next layer. The loop may have been left early.
    archive.reject(new Error('The layer was left before its end'));
    await work.catch(() => {});
  }
  return await work;
}

async function* decode<Admitted>(
  crew: Taken<Crew>,
  hash: boolean,
  options: Pick<PlanLayerOptions, 'limits'>,
  admit: Admit<Admitted>,
): AsyncGenerator<EntryEvent<Admitted>, ArchiveSummary, void> {
  const { pipeline } = crew.item;
  const { gate } = pipeline;
  const limits = resolveLimits(options.limits);
  const collector = new Collector(admit);
  const sink = new PlanSink(
    limits,
    () => gate.throwIfAborted(),
    () => collector,
  );
  const decoder = new ArchiveDecoder(pipeline, sink, limits);
  const isCompressed = await waitCompressed(pipeline);
  const ring = isCompressed ? pipeline.output : pipeline.input;
  const reader = isCompressed ? OUTPUT_READERS.apply : INPUT_READERS.apply;
  const hasher: Hash | undefined = hash && !isCompressed ? createHash('sha256') : undefined;
  for (;;) {
    const available = await ring.waitAvailableAsync(reader);
    if (available < 0) break;
    const start = ring.readIndex(reader);
    const length = Math.min(available, STEP_BYTES);
    let failure: { readonly error: unknown } | undefined;
    try {
      decoder.admit(length);
      hasher?.update(ring.bytes.subarray(start, start + length));
      decoder.write(ring.bytes, start, length);
    } catch (error) {
      failure = { error };
    }
    // Events before an error are yielded first, independent of the size of steps.
    const events = collector.take();
    if (events.length > 0) {
      const callerIsBack = crew.awaitCaller();
      try {
        yield* events;
      } finally {
        callerIsBack();
      }
    }
    if (failure !== undefined) throw failure.error;
    ring.release(reader, length);
    await setImmediate(); // without it, a thread that is ahead would keep signals and timers from running
  }
  return { ...decoder.end(), ...sink.finish(), diffID: hasher?.digest('hex') };
}

async function waitCompressed(pipeline: Pipeline): Promise<boolean> {
  const { gate } = pipeline;
  for (;;) {
    const seen = gate.look(DATA);
    const { compressed } = pipeline;
    if (compressed !== undefined) return compressed;
    await gate.waitAsync(DATA, seen);
  }
}

/** Collects the events of a step. */
class Collector<Admitted> {
  readonly #admit: Admit<Admitted>;
  #events: EntryEvent<Admitted>[] = [];
  #isAdmitted = false;

  constructor(admit: Admit<Admitted>) {
    this.#admit = admit;
  }

  operation(operation: Operation): void {
    const admitted = this.#admit(operation);
    this.#isAdmitted = admitted !== undefined;
    if (admitted !== undefined) this.#events.push({ type: 'entry', admitted });
  }

  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (this.#isAdmitted) this.#events.push({ type: 'data', bytes: bytes.subarray(start, end), position });
  }

  end(): void {
    if (this.#isAdmitted) this.#events.push({ type: 'end' });
  }

  take(): readonly EntryEvent<Admitted>[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }
}
