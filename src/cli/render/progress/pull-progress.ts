import { displayJson, type PullEvent } from '../../../index.js';
import { counted, formatBytes } from '../format.js';
import { LayerBars } from './layer-bars.js';
import { isNotice, type Notice, noticeText } from './notice-text.js';
import type { ProgressForm } from './progress.js';

export interface PullView {
  tell(event: PullEvent): void;
  end(): Promise<void> | void;
}

const PLAIN_INTERVAL_SECONDS = 3;

/** How the progress of a pull is shown on standard error. */
export function createPullProgress(form: ProgressForm): PullView {
  if (form === 'auto') return process.stderr.isTTY ? new LayerBars() : new PlainPull();
  if (form === 'plain') return new PlainPull();
  if (form === 'json')
    return { tell: (event) => void process.stderr.write(`${displayJson(event)}\n`), end() {} };
  return { tell: (event) => isNotice(event) && writeNotice(event), end() {} };
}

function writeNotice(notice: Notice): void {
  process.stderr.write(`overlayer: ${noticeText(notice)}\n`);
}

/** A line every few seconds: nothing for a short pull, and a log that can be read after a long one. */
class PlainPull implements PullView {
  readonly #started = performance.now();
  #next = PLAIN_INTERVAL_SECONDS;
  #sizes: readonly number[] = [];
  /** Bytes of each layer that have come. */
  #come: number[] = [];
  #done = 0;

  tell(event: PullEvent): void {
    switch (event.type) {
      case 'plan':
        this.#sizes = event.layers.map(({ descriptor }) => descriptor.size);
        this.#come = this.#sizes.map(() => 0);
        this.#done = 0;
        break;
      case 'progress':
        this.#come[event.index] = event.compressedBytes;
        break;
      case 'skip':
      case 'commit':
        this.#come[event.index] = this.#sizes[event.index]!;
        this.#done += 1;
        break;
      case 'pass-over':
      case 'wait':
      case 'warning':
        writeNotice(event);
        return;
      default:
        event satisfies never;
    }
    this.#show();
  }

  end(): void {}

  #show(): void {
    const seconds = (performance.now() - this.#started) / 1000;
    if (seconds < this.#next) return;
    this.#next = seconds + PLAIN_INTERVAL_SECONDS;
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    const bytes = `${formatBytes(sum(this.#come))} of ${formatBytes(sum(this.#sizes))}`;
    const layers = counted(this.#sizes.length, 'layer', 'layers');
    process.stderr.write(`overlayer: ${this.#done} of ${layers}, ${bytes}\n`);
  }
}
