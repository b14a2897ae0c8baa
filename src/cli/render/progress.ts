import type { LayerProgress } from '../../index.js';
import { Pace } from './pace.js';
import { ProgressBar } from './progress-bar.js';
import { progressText } from './progress-text.js';

export type ProgressForm = 'auto' | 'plain' | 'json' | 'none';

export interface ProgressView {
  update(progress: LayerProgress): void;
  end(): void;
}

const PLAIN_INTERVAL_SECONDS = 3;

/** How progress is shown on standard error. */
export function createProgress(form: ProgressForm): ProgressView {
  if (form === 'auto') return process.stderr.isTTY ? new ProgressBar() : plainProgress();
  if (form === 'plain') return plainProgress();
  if (form === 'json') return jsonProgress();
  return { update: () => {}, end: () => {} };
}

/** A line every few seconds: nothing for a short run, and a log that can be read after a long one. */
function plainProgress(): ProgressView {
  const pace = new Pace();
  let next = PLAIN_INTERVAL_SECONDS;
  return {
    update(progress) {
      const paced = pace.measure(progress);
      if (paced.seconds < next) return;
      next = paced.seconds + PLAIN_INTERVAL_SECONDS;
      process.stderr.write(`overlayer: ${progressText(paced)}\n`);
    },
    end() {},
  };
}

function jsonProgress(): ProgressView {
  const pace = new Pace();
  return {
    update(progress) {
      process.stderr.write(`${JSON.stringify({ type: 'progress', ...pace.measure(progress) })}\n`);
    },
    end() {},
  };
}
