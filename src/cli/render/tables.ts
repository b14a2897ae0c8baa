import Table from 'cli-table3';
import { type Anomaly, type AnomalySummary, displayPath, type Operation } from '../../index.js';
import { formatBytes, formatCount } from './format.js';

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
