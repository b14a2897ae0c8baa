import { displayJson, type PullEvent } from '../../../index.js';
import type { ProgressForm } from '../../flags/image-flags.js';
import { counted, formatBytes } from '../format.js';
import { LayerBars } from './layer-bars.js';
import { isNotice, type Notice, noticeText } from './notice-text.js';

interface PullView {
  tell(event: PullEvent): void;
  end(): Promise<void> | void;
}

const PLAIN_INTERVAL_SECONDS = 3;

/** Shows the progress of a pull on standard error. */
export function createPullProgress(form: ProgressForm): PullView {
  switch (form) {
    case 'auto':
      return process.stderr.isTTY ? new LayerBars() : new PlainPull();
    case 'plain':
      return new PlainPull();
    case 'json':
      return { tell: (event) => void process.stderr.write(`${displayJson(event)}\n`), end() {} };
    case 'none':
      return { tell: (event) => isNotice(event) && writeNotice(event), end() {} };
    default:
      return form satisfies never;
  }
}

function writeNotice(notice: Notice): void {
  process.stderr.write(`overlayer: ${noticeText(notice)}\n`);
}

/** A line every few seconds: none for a short pull, and a readable log of a long one. */
class PlainPull implements PullView {
  readonly #started = performance.now();
  #next = PLAIN_INTERVAL_SECONDS;
  #sizes: readonly number[] = [];
  /** Bytes of each layer that have arrived. */
  #arrived: number[] = [];
  #done = 0;

  tell(event: PullEvent): void {
    switch (event.type) {
      case 'plan':
        this.#sizes = event.layers.map(({ descriptor }) => descriptor.size);
        this.#arrived = this.#sizes.map(() => 0);
        this.#done = 0;
        break;
      case 'progress':
        this.#arrived[event.index] = event.compressedBytes;
        break;
      case 'skip':
      case 'commit':
        this.#arrived[event.index] = this.#sizes[event.index]!;
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
    const bytes = `${formatBytes(sum(this.#arrived))} of ${formatBytes(sum(this.#sizes))}`;
    const layers = counted(this.#sizes.length, 'layer', 'layers');
    process.stderr.write(`overlayer: ${this.#done} of ${layers}, ${bytes}\n`);
  }
}
