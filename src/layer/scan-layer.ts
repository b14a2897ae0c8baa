import { randomBytes } from 'node:crypto';
import { resolveLimits } from '../base/limits.js';
import { SPACE } from '../base/threads/gate.js';
import { FINGERPRINT_KEY_BYTES } from '../system/fingerprint.js';
import { useSource } from './open-source.js';
import type { LayerResult, LayerSource, PlanLayerOptions } from './options.js';
import { runLayer } from './run-layer.js';
import type { ScannedEntries } from './scanned-entries.js';
import { crews } from './worker/crew.js';

const key = randomBytes(FINGERPRINT_KEY_BYTES);

interface ScanLayerOptions extends Omit<PlanLayerOptions, 'diffID'> {
  /** Whether one thread decompresses and scans a file, because other layers keep the other cores busy. */
  readonly inOneThread: boolean;
}

/**
 * Reads a layer as `planLayer` does. Its operations come as columns, with a fingerprint of each file.
 *
 * The digest of the blob proves its bytes. The diffID of a compressed layer is neither computed nor verified: that would
 * take a fifth of the processor time.
 *
 * @param take gets the operations in the order of the layer. The layer waits when four promises are open. An error ends
 *   the work
 * @throws OverlayerError as `planLayer`
 * @throws `signal.reason` when the signal is aborted
 */
export async function scanLayer(
  source: LayerSource,
  { signal, inOneThread, ...options }: ScanLayerOptions,
  take: (entries: ScannedEntries) => void | Promise<void>,
): Promise<LayerResult> {
  const failed = new AbortController();
  const ends = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
  const limits = resolveLimits(options.limits);
  return await useSource(source, options, async (found) => {
    ends.throwIfAborted();
    using taken = await crews.take(ends);
    const { pipeline, apply } = taken.item;
    let taking: Promise<void> = Promise.resolve();
    const takeNext = async (entries: ScannedEntries) => {
      try {
        await take(entries);
      } catch (error) {
        failed.abort(error);
      }
      if (ends.aborted) return; // another layer may have the threads
      pipeline.addInFlight(-1);
      pipeline.gate.bump(SPACE);
    };
    const result = await runLayer(
      taken.item,
      found,
      { ...options, signal: ends },
      {
        decodes: true,
        decodesFiles: inOneThread,
        read: (hash, decode) =>
          apply.run({ type: 'scan', limits, hash, key, decode }, (entries) => {
            taking = takeNext(entries);
          }),
      },
    );
    await untilAborted(taking, ends);
    return result;
  });
}

/** @throws `signal.reason` */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    void work.then(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}
