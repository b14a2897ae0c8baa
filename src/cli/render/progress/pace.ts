import type { LayerProgress } from '../../../index.js';

const WINDOW_SECONDS = 5;

/** How far the work is, and how fast it went lately. */
export interface PacedProgress extends LayerProgress {
  readonly seconds: number;
  /** Bytes of the source a second. */
  readonly rate: number;
  /** Undefined where the size of the source is not known. */
  readonly secondsLeft: number | undefined;
}

/** Measures the rate over the last few seconds: what a stall or a cached start did before is forgotten. */
export class Pace {
  readonly #started: number;
  readonly #samples: { readonly at: number; readonly bytes: number }[];

  constructor(started: number) {
    this.#started = started;
    this.#samples = [{ at: started, bytes: 0 }];
  }

  measure(progress: LayerProgress, now = performance.now()): PacedProgress {
    const { compressedBytes: bytes, compressedSize } = progress;
    this.#samples.push({ at: now, bytes });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > WINDOW_SECONDS * 1000)
      this.#samples.shift();
    const oldest = this.#samples[0]!;
    const rate = now > oldest.at ? ((bytes - oldest.bytes) * 1000) / (now - oldest.at) : 0;
    const secondsLeft =
      compressedSize === undefined || rate === 0 ? undefined : (compressedSize - bytes) / rate;
    return { ...progress, seconds: (now - this.#started) / 1000, rate, secondsLeft };
  }
}
