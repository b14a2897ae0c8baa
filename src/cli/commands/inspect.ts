import { displayPath, planLayer } from '../../index.js';
import { abortOnSignals } from '../interruption.js';
import { closeLayer, openLayer } from '../layer-source.js';
import { type ReadFlags, readOptions } from '../read-flags.js';
import { JsonListing } from '../render/json-listing.js';
import { LISTING_HEADER, listingRow } from '../render/listing.js';
import { BufferedOutput } from '../render/output.js';
import { summary } from '../render/summary.js';
import { anomalyTable, TypeTally } from '../render/tables.js';
import { reportFailure } from '../report-failure.js';

/** Prints what a layer holds. @returns the exit code */
export async function inspect(layer: string, flags: ReadFlags): Promise<number> {
  const { source, name } = openLayer(layer);
  const output = new BufferedOutput();
  const json = flags.json ? new JsonListing(output) : undefined;
  try {
    const plan = planLayer(source, { ...readOptions(flags), signal: abortOnSignals() });
    const tally = new TypeTally();
    for await (const planned of plan) {
      if (json) await json.add(planned);
      else await output.write(`${tally.empty ? LISTING_HEADER : ''}${listingRow(planned)}`);
      tally.add(planned.operation);
    }
    const result = await plan.result;
    if (json) await json.end({ result });
    else
      await output.write(
        `\n${summary(displayPath(name), result)}\n${tally.table()}${anomalyTable(result.anomalies)}`,
      );
    await output.flush();
    return 0;
  } catch (error) {
    await json?.fail(error);
    await output.flush();
    return reportFailure(error, flags);
  } finally {
    closeLayer(source);
  }
}
