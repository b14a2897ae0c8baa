import { type CheckProgress, type CheckReport, displayJson, type Task } from '../../../index.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import { standardError } from '../../standard-streams.js';
import { counted, formatBytes, formatCount } from '../format.js';

const PLAIN_INTERVAL_SECONDS = 3;
/** A check that is done earlier shows nothing on a terminal. */
const LINE_AFTER_SECONDS = 0.3;
const CLEAR_LINE = '\r\x1b[K';

/** Shows the progress of a check on standard error until it ends. @returns its result */
export async function showCheck(
  task: Task<CheckReport, CheckProgress>,
  form: ProgressForm,
): Promise<CheckReport> {
  const started = performance.now();
  const isLine = form === 'auto' && standardError.terminal !== undefined;
  let next = isLine ? LINE_AFTER_SECONDS : PLAIN_INTERVAL_SECONDS;
  let hasLine = false;
  try {
    for await (const progress of task) {
      const seconds = (performance.now() - started) / 1000;
      if (form === 'json')
        standardError.stream.write(`${displayJson({ type: 'progress', ...progress, seconds })}\n`);
      if (form === 'json' || form === 'none' || seconds < next) continue;
      if (!isLine) next = seconds + PLAIN_INTERVAL_SECONDS;
      standardError.stream.write(
        isLine ? `${CLEAR_LINE}${progressText(progress)}` : `overlayer: ${progressText(progress)}\n`,
      );
      hasLine = isLine;
    }
  } finally {
    if (hasLine) standardError.stream.write(CLEAR_LINE);
  }
  return await task;
}

/** `3 of 12 snapshots, 10,443 entries, 1.2 GB read` */
function progressText({ snapshots, totalSnapshots, entries, bytes }: CheckProgress): string {
  const of = `${formatCount(snapshots)} of ${counted(totalSnapshots, 'snapshot', 'snapshots')}`;
  return `${of}, ${counted(entries, 'entry', 'entries')}, ${formatBytes(bytes)} read`;
}
