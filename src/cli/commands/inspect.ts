import { displayPath, planLayer } from '../../index.js';
import { type Argument, checkOptions, readArgument } from '../flags/read-argument.js';
import { type ReadFlags, readOptions } from '../flags/read-flags.js';
import { abortOnSignals } from '../interruption.js';
import { JsonListing } from '../render/json-listing.js';
import { LISTING_HEADER, listingRow } from '../render/listing.js';
import { BufferedOutput } from '../render/output.js';
import { summary } from '../render/summary.js';
import { anomalyTable, TypeTally } from '../render/tables.js';
import { reportFailure } from '../report-failure.js';
import type { InspectImageFlags } from './inspect-image.js';

export interface InspectFlags extends ReadFlags, InspectImageFlags {
  /** All options that the user has given. */
  readonly given: readonly string[];
}

/** Prints what a layer holds, or what an image is made of. @returns the exit code */
export async function inspect(argument: string, flags: InspectFlags): Promise<number> {
  const read = await readArgument(argument, flags.given);
  try {
    checkOptions(read, flags.given);
    if (read.kind !== 'image') return await inspectLayer(read, flags);
    const { inspectWhole } = await import('./inspect-image.js');
    return await inspectWhole(read, flags);
  } catch (error) {
    return reportFailure(error, flags);
  } finally {
    read.close();
  }
}

async function inspectLayer({ source, name }: Argument, flags: ReadFlags): Promise<number> {
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
    const result = await plan;
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
  }
}
