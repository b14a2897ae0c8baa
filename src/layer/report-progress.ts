import type { LayerProgress } from './options.js';
import type { Pipeline } from './worker/pipeline.js';

const PROGRESS_INTERVAL_MS = 100;

/** Calls a listener about ten times a second. The error of a listener ends the work, which fails with it. */
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
      // The work may have ended before the listener's error could stop it.
      if (failure !== undefined) throw failure;
      report();
    },
    failure: () => failure,
  };
}
