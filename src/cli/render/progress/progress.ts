import { displayJson, type LayerProgress } from '../../../index.js';
import { Pace } from './pace.js';
import { ProgressBar } from './progress-bar.js';
import { progressText } from './progress-text.js';

export type ProgressForm = 'auto' | 'plain' | 'json' | 'none';

export interface ProgressView {
  update(progress: LayerProgress): void;
  end(): void;
}

const PLAIN_INTERVAL_SECONDS = 3;

/** How the progress of work that started at `started` is shown on standard error. */
export function createProgress(form: ProgressForm, started = performance.now()): ProgressView {
  const pace = new Pace(started);
  if (form === 'auto') return process.stderr.isTTY ? new ProgressBar(pace) : plainProgress(pace);
  if (form === 'plain') return plainProgress(pace);
  if (form === 'json') return jsonProgress(pace);
  return { update: () => {}, end: () => {} };
}

/** A line every few seconds: nothing for a short run, and a log that can be read after a long one. */
function plainProgress(pace: Pace): ProgressView {
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

function jsonProgress(pace: Pace): ProgressView {
  return {
    update(progress) {
      process.stderr.write(`${displayJson({ type: 'progress', ...pace.measure(progress) })}\n`);
    },
    end() {},
  };
}
