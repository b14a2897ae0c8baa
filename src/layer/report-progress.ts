import type { LayerProgress } from './options.js';
import type { Pipeline } from './worker/pipeline.js';

const PROGRESS_INTERVAL_MS = 100;

/** A listener that throws ends the work, and what it throws is what the work fails with. */
export function reportProgress(
  pipeline: Pipeline,
  compressedSize: number | undefined,
  onProgress: ((progress: LayerProgress) => void) | undefined,
  stop: () => void,
): { end(): void; failure(): unknown } {
  if (onProgress === undefined) return { end() {}, failure: () => undefined };
  let failure: unknown;
  const report = () => {
    const { compressedBytes, bytes, entries } = pipeline;
    onProgress({ compressedBytes, compressedSize, bytes, entries });
  };
  const timer = setInterval(() => {
    try {
      report();
    } catch (error) {
      failure = error;
      clearInterval(timer);
      pipeline.gate.abort();
      stop();
    }
  }, PROGRESS_INTERVAL_MS);
  return {
    end() {
      clearInterval(timer);
      // It may have come too late to stop anything.
      if (failure !== undefined) throw failure;
      report();
    },
    failure: () => failure,
  };
}
