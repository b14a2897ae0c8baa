import { standardError } from '../../standard-streams.js';
import { counted, formatBytes } from '../format.js';

const INTERVAL_SECONDS = 3;

/** The parts of an image on their way. */
export interface Parts {
  /** How many have arrived. */
  readonly done: number;
  /** Bytes of each part. */
  readonly sizes: readonly number[];
  /** Bytes of each part that have arrived. */
  readonly arrived: readonly number[];
}

/** A line every few seconds on standard error: none for short work, and a readable log of long work. */
export class PacedLines {
  readonly #nouns: readonly [one: string, many: string];
  readonly #started = performance.now();
  #next = INTERVAL_SECONDS;

  constructor(...nouns: readonly [one: string, many: string]) {
    this.#nouns = nouns;
  }

  /** `2 of 5 layers, 12 MB of 30 MB` */
  show({ done, sizes, arrived }: Parts): void {
    const seconds = (performance.now() - this.#started) / 1000;
    if (seconds < this.#next) return;
    this.#next = seconds + INTERVAL_SECONDS;
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    const bytes = `${formatBytes(sum(arrived))} of ${formatBytes(sum(sizes))}`;
    standardError.stream.write(`overlayer: ${done} of ${counted(sizes.length, ...this.#nouns)}, ${bytes}\n`);
  }
}
