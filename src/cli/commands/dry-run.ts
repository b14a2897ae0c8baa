import { displayPath, planLayer } from '../../index.js';
import type { Argument } from '../flags/read-argument.js';
import { readOptions } from '../flags/read-flags.js';
import { abortOnSignals } from '../interruption.js';
import { JsonListing } from '../render/json-listing.js';
import { operationLines } from '../render/operation-lines.js';
import { BufferedOutput } from '../render/output.js';
import { createProgress } from '../render/progress/progress.js';
import { summary } from '../render/summary.js';
import { reportFailure } from '../report-failure.js';
import type { UnpackFlags } from './unpack.js';

/** Prints what an unpack would do. @returns the exit code */
export async function dryRun(
  { source, name }: Argument,
  destination: string,
  flags: UnpackFlags,
): Promise<number> {
  const output = new BufferedOutput();
  const json = flags.json ? new JsonListing(output) : undefined;
  // The operations that go by are progress enough, unless the user says otherwise.
  const progress = createProgress(flags.progress === 'auto' ? 'none' : flags.progress);
  try {
    const plan = planLayer(source, {
      ...readOptions(flags),
      signal: abortOnSignals(),
      onProgress: (now) => progress.update(now),
    });
    for await (const planned of plan) {
      if (json) await json.add(planned);
      else await output.write(operationLines(planned));
    }
    const result = await plan;
    if (json) await json.end({ result });
    else
      await output.write(
        `\n${summary(`Would unpack ${displayPath(name)} into ${displayPath(destination)}`, result)}`,
      );
    await output.flush();
    return 0;
  } catch (error) {
    await json?.fail(error);
    await output.flush();
    return reportFailure(error, flags);
  } finally {
    progress.end();
  }
}
