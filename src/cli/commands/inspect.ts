import { tmpdir } from 'node:os';
import { inspectImages } from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { InspectFlags } from '../flags/layer-flags.js';
import { checkOptions, type Input, openImage, openInput } from '../input.js';
import { platformOf } from '../options.js';
import { imageText } from '../render/image.js';
import { layerSummary } from '../render/layer-summary.js';
import { LISTING_HEADER, listingRow } from '../render/operation-text.js';
import { printResult } from '../render/print-result.js';
import { anomalyTable, TypeTally } from '../render/tables.js';
import { listLayer } from './list-layer.js';

/** Prints the entries of a layer, or the parts of an image. @returns the exit code */
export async function inspect(
  argument: string,
  flags: InspectFlags,
  given: readonly string[],
): Promise<number> {
  let input: Input | undefined;
  try {
    input = await openInput(argument, given);
    checkOptions(input, given);
    return input.kind === 'image' ? await inspectImage(input, flags) : await inspectLayer(input, flags);
  } catch (error) {
    return reportFailure(error, flags);
  } finally {
    input?.close();
  }
}

async function inspectLayer(input: Input, flags: InspectFlags): Promise<number> {
  const tally = new TypeTally();
  return await listLayer(input, flags, {
    row(planned) {
      const header = tally.empty ? LISTING_HEADER : '';
      tally.add(planned.operation);
      return `${header}${listingRow(planned)}`;
    },
    end: (result) => `${layerSummary(input.name, result)}\n${tally.table()}${anomalyTable(result.anomalies)}`,
  });
}

async function inspectImage(input: Input, flags: InspectFlags): Promise<number> {
  const platform = platformOf(flags);
  await using source = await openImage(input, { ...flags, scratch: tmpdir() });
  const images = await inspectImages(source, { platform, signal: abortOnSignals() });
  printResult(flags, { images }, images.map((image) => imageText(image)).join('\n'));
  return 0;
}
