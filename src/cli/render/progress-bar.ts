import type { SingleBar } from 'cli-progress';
import type { LayerProgress } from '../../index.js';
import { Pace, type PacedProgress } from './pace.js';
import type { ProgressView } from './progress.js';
import { progressText } from './progress-text.js';

/** Work that is done sooner needs no bar, and does not wait for one to be loaded. */
const DELAY_SECONDS = 0.3;

/** A bar on the terminal that goes when the work is done; without a bar where the size is not known. */
export class ProgressBar implements ProgressView {
  readonly #pace = new Pace();
  #bar: SingleBar | undefined;
  #state: 'waiting' | 'running' | 'ended' = 'waiting';

  update(progress: LayerProgress): void {
    const paced = this.#pace.measure(progress);
    if (this.#state === 'waiting' && paced.seconds >= DELAY_SECONDS) {
      this.#state = 'running';
      void this.#start(paced);
    }
    this.#bar?.update(paced.compressedBytes, { paced });
  }

  end(): void {
    this.#state = 'ended';
    this.#bar?.stop();
  }

  async #start(paced: PacedProgress): Promise<void> {
    const { default: cliProgress } = await import('cli-progress');
    if (this.#state === 'ended') return;
    this.#bar = new cliProgress.SingleBar({
      format: (options, { progress }, payload: { readonly paced: PacedProgress }) => {
        const text = progressText(payload.paced);
        return payload.paced.totalBytes === undefined
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
    this.#bar.start(paced.totalBytes ?? 0, paced.compressedBytes, { paced });
  }
}
