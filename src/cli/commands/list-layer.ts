import { type LayerResult, type PlannedOperation, planLayer } from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { ProgressForm } from '../flags/image-flags.js';
import type { InspectFlags } from '../flags/layer-flags.js';
import type { Input } from '../input.js';
import { readOptions } from '../options.js';
import { BufferedOutput } from '../output.js';
import { JsonListing } from '../render/json-listing.js';
import { LateProgress } from '../render/progress/late-progress.js';

/** How a layer is listed as text. */
interface Listing {
  readonly row: (planned: PlannedOperation) => string;
  /** Follows the last row, after an empty line. */
  readonly end: (result: LayerResult) => string;
}

/** Lists the operations of a layer while it is read: as text, or with `--json` as one document. @returns the exit code */
export async function listLayer(
  { source }: Input,
  flags: InspectFlags & { readonly progress?: ProgressForm },
  { row, end }: Listing,
): Promise<number> {
  const output = new BufferedOutput();
  const json = flags.json ? new JsonListing(output) : undefined;
  // The rows are progress enough, unless the user wants another form.
  const { progress: form = 'auto' } = flags;
  const progress = new LateProgress(form === 'auto' ? 'none' : form);
  try {
    const plan = planLayer(source, {
      ...readOptions(flags),
      signal: abortOnSignals(),
      onProgress: (now) => progress.update(now),
    });
    for await (const planned of plan) {
      if (json) await json.add(planned);
      else await output.write(row(planned));
    }
    const result = await plan;
    if (json) await json.end({ result });
    else await output.write(`\n${end(result)}`);
    await output.flush();
    return 0;
  } catch (error) {
    await json?.fail(error);
    await output.flush();
    return reportFailure(error, flags);
  } finally {
    await progress.end();
  }
}
