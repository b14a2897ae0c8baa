import { createDiff } from '../../index.js';
import { abortOnSignals } from '../interruption.js';
import { reportFailure } from '../report-failure.js';
import { type DiffFlags, diffAftermath, writeDiff } from './write-diff.js';

/** Makes a layer of the difference between two trees. @returns the exit code */
export async function diff(lower: string, upper: string, flags: DiffFlags): Promise<number> {
  try {
    await writeDiff((options) => createDiff({ lower, upper }, options), flags, abortOnSignals());
    return 0;
  } catch (error) {
    return reportFailure(error, flags, diffAftermath(error, flags));
  }
}
