import type { SingleBar } from 'cli-progress';
import type { LayerProgress } from '../../../index.js';
import type { Pace, PacedProgress } from './pace.js';
import type { ProgressView } from './progress.js';
import { progressText } from './progress-text.js';

/** A bar on the terminal that goes when the work is done; without a bar where the size is not known. */
export class ProgressBar implements ProgressView {
  readonly #pace: Pace;
  #bar: SingleBar | undefined;
  #started = false;
  #ended = false;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  update(progress: LayerProgress): void {
    const paced = this.#pace.measure(progress);
    if (!this.#started) void this.#start(paced);
    else this.#bar?.update(paced.compressedBytes, { paced });
  }

  end(): void {
    this.#ended = true;
    this.#bar?.stop();
  }

  async #start(paced: PacedProgress): Promise<void> {
    this.#started = true;
    const { default: cliProgress } = await import('cli-progress');
    if (this.#ended) return;
    this.#bar = new cliProgress.SingleBar({
      format: (options, { progress }, payload: { readonly paced: PacedProgress }) => {
        const text = progressText(payload.paced);
        return payload.paced.compressedSize === undefined
          ? text
          : `${cliProgress.Format.BarFormat(progress, options)} ${text}`;
      },
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      stream: process.stderr,
    });
    this.#bar.start(paced.compressedSize ?? 0, paced.compressedBytes, { paced });
  }
}
