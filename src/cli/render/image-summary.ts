import { type AnomalySummary, displayPath, formatPlatform, type Image, type PullEvent } from '../../index.js';
import { anomalyNotes } from './anomaly-notes.js';
import { counted, formatBytes, formatCount, formatSeconds } from './format.js';

interface Tally {
  layers: number;
  present: number;
  compressedSize: number;
  size: number;
  entries: number;
  /** Of each layer. */
  readonly anomalies: AnomalySummary[];
}

/** What a pull came to, by the image's name. */
export class PullTally {
  readonly #images = new Map<string, Tally>();
  #current: Tally = emptyTally();

  add(event: PullEvent): void {
    switch (event.type) {
      case 'plan':
        this.#current = { ...emptyTally(), layers: event.layers.length };
        this.#images.set(event.name, this.#current);
        return;
      case 'skip':
        this.#current.present += 1;
        return;
      case 'commit':
        this.#current.compressedSize += event.layer.compressedSize;
        this.#current.size += event.layer.size;
        this.#current.entries += event.layer.entries;
        this.#current.anomalies.push(...event.layer.anomalies);
        return;
      case 'pass-over':
      case 'progress':
      case 'wait':
      case 'warning':
        return;
      default:
        event satisfies never;
    }
  }

  of(name: string): Tally {
    return this.#images.get(name) ?? emptyTally();
  }
}

function emptyTally(): Tally {
  return { layers: 0, present: 0, compressedSize: 0, size: 0, entries: 0, anomalies: [] };
}

export function imageSummary(verb: string, image: Image, tally: Tally, seconds: number): string {
  const { layers, present, compressedSize, size, entries, anomalies } = tally;
  const rows: (readonly [label: string, value: string])[] = [
    ['digest', image.target.digest],
    ['platform', formatPlatform(image.platform)],
    ['layers', `${formatCount(layers)}${present === 0 ? '' : ` (${formatCount(present)} already there)`}`],
  ];
  if (present < layers)
    rows.push([
      'unpacked',
      `${formatBytes(size)} (${formatBytes(compressedSize)} compressed), ${counted(entries, 'entry', 'entries')}`,
    ]);
  rows.push(...anomalyNotes(anomalies));
  const lines = rows.map(([label, value]) => `  ${label.padEnd(10)} ${displayPath(value)}\n`);
  return `${verb} ${displayPath(image.name)} in ${formatSeconds(seconds)}\n${lines.join('')}`;
}
