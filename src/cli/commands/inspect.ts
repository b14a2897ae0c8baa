import { tmpdir } from 'node:os';
import Table from 'cli-table3';
import {
  type Anomaly,
  type AnomalySummary,
  displayPath,
  inspectImages,
  type Operation,
} from '../../index.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { InspectFlags } from '../flags/layer-flags.js';
import { checkOptions, type Input, openImage, openInput } from '../input.js';
import { platformOf } from '../options.js';
import { formatBytes, formatCount } from '../render/format.js';
import { contentsDocument, imageText } from '../render/image.js';
import { layerSummary } from '../render/layer-summary.js';
import { LISTING_HEADER, listingRow } from '../render/operation-text.js';
import { printResult } from '../render/print.js';
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
  printResult(
    flags,
    { images: images.map(contentsDocument) },
    images.map((image) => imageText(image)).join('\n'),
  );
  return 0;
}

const PLAIN = { head: [], border: [], compact: true };

/** How many operations of each type a layer has, and the bytes of its files. */
export class TypeTally {
  readonly #types = new Map<Operation['op'], { count: number; bytes: number }>();

  add({ op, entry }: Operation): void {
    const type = this.#types.get(op) ?? { count: 0, bytes: 0 };
    this.#types.set(op, { count: type.count + 1, bytes: type.bytes + entry.size });
  }

  get empty(): boolean {
    return this.#types.size === 0;
  }

  table(): string {
    if (this.empty) return '';
    const table = new Table({
      head: ['type', 'count', 'size'],
      colAligns: ['left', 'right', 'right'],
      style: PLAIN,
    });
    for (const [op, { count, bytes }] of this.#types)
      table.push([op, formatCount(count), op === 'file' ? formatBytes(bytes) : '']);
    return `${table}\n`;
  }
}

export function anomalyTable(anomalies: readonly AnomalySummary[]): string {
  if (anomalies.length === 0) return '';
  const table = new Table({
    head: ['anomaly', 'count', 'first'],
    colAligns: ['left', 'right', 'left'],
    style: PLAIN,
  });
  for (const { kind, count, examples } of anomalies)
    table.push([kind, formatCount(count), examples[0] === undefined ? '' : example(examples[0])]);
  return `${table}\n`;
}

function example({ entry, offset, detail }: Anomaly): string {
  const where = entry ?? (offset === undefined ? '' : `offset ${offset}`);
  return displayPath(detail === undefined ? where : `${where} (${detail})`);
}
