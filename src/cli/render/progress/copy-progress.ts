import type { MultiBar, SingleBar } from 'cli-progress';
import { type CopyEvent, displayJson, displayPath, formatPlatform } from '../../../index.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import { standardError } from '../../standard-streams.js';
import { formatBytes, formatSeconds } from '../format.js';
import { PacedLines } from './paced-lines.js';

const BAR_WIDTH = 24;
/** Digits of a digest, as docker shows it. */
const SHORT = 12;
/** Rows of the terminal that stay free, for the prompt. */
const OTHER_ROWS = 2;

/** The display of a copy. */
export interface CopyView {
  tell(event: CopyEvent): void;
  end(): void;
}

/** Shows the progress of a copy on standard error. */
export async function createCopyProgress(form: ProgressForm): Promise<CopyView> {
  switch (form) {
    case 'auto': {
      if (standardError.terminal === undefined) return new PlainCopy();
      const { default: cliProgress } = await import('cli-progress');
      return new BlobBars(
        new cliProgress.MultiBar({
          format: (_, __, { text }: { readonly text: string }) => text,
          hideCursor: true,
          stream: standardError.stream,
          fps: 10,
        }),
      );
    }
    case 'plain':
      return new PlainCopy();
    case 'json':
      return { tell: (event) => void standardError.stream.write(`${displayJson(event)}\n`), end() {} };
    case 'none':
      return { tell: (event) => void standardError.stream.write(noticeText(event)), end() {} };
    default:
      return form satisfies never;
  }
}

/** The line of an event that is shown even without progress; '' for any other event. */
function noticeText(event: CopyEvent): string {
  switch (event.type) {
    case 'missing': {
      const names = event.manifests.map(({ digest, platform }) =>
        platform === undefined ? digest : formatPlatform(platform),
      );
      return `${displayPath(`overlayer: not copied, because the source lacks them: ${names.join(', ')}`)}\n`;
    }
    case 'wait':
      return `${displayPath(`overlayer: waiting ${formatSeconds(event.delayMs / 1000)}: ${event.reason}`)}\n`;
    case 'warning':
      return `${displayPath(`overlayer: warning: ${event.message}`)}\n`;
    case 'plan':
    case 'skip':
    case 'progress':
    case 'blob':
      return '';
    default:
      return event satisfies never;
  }
}

/** A line for each blob, which stays on the terminal; for none if the terminal has fewer rows. */
class BlobBars implements CopyView {
  readonly #multi: MultiBar;
  #digests: readonly string[] = [];
  #bars = new Map<number, SingleBar>();

  constructor(multi: MultiBar) {
    this.#multi = multi;
  }

  tell(event: CopyEvent): void {
    switch (event.type) {
      case 'plan':
        this.#digests = event.blobs.map(({ digest }) => digest.slice('sha256:'.length).slice(0, SHORT));
        this.#bars = new Map();
        break;
      case 'progress': {
        const { bytes, size } = event;
        const filled = Math.round((size === 0 ? 1 : Math.min(bytes / size, 1)) * BAR_WIDTH);
        const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
        this.#show(event.index, `${bar} copying ${formatBytes(bytes)} of ${formatBytes(size)}`);
        break;
      }
      case 'skip':
        this.#show(event.index, 'already there');
        break;
      case 'blob':
        this.#show(event.index, `done (${formatBytes(event.descriptor.size)})`);
        break;
      case 'missing':
      case 'wait':
      case 'warning':
        this.#say(noticeText(event));
        break;
      default:
        event satisfies never;
    }
  }

  end(): void {
    this.#multi.stop();
  }

  /** Prints above the bars. `cli-progress` would hold the line back until there is a bar. */
  #say(line: string): void {
    if (this.#bars.size > 0) this.#multi.log(line);
    else standardError.stream.write(line);
  }

  #show(index: number, state: string): void {
    if (this.#digests.length > (standardError.terminal?.rows ?? Infinity) - OTHER_ROWS) return;
    const payload = { text: `${this.#digests[index]}: ${state}` };
    const shown = this.#bars.get(index);
    if (shown === undefined) this.#bars.set(index, this.#multi.create(1, 0, payload));
    else shown.update(0, payload);
  }
}

class PlainCopy implements CopyView {
  readonly #lines = new PacedLines('blob', 'blobs');
  #sizes: readonly number[] = [];
  #arrived: number[] = [];
  #done = 0;

  tell(event: CopyEvent): void {
    if (event.type === 'plan') {
      this.#sizes = event.blobs.map(({ size }) => size);
      this.#arrived = this.#sizes.map(() => 0);
      this.#done = 0;
    } else if (event.type === 'progress') this.#arrived[event.index] = event.bytes;
    else if (event.type === 'skip' || event.type === 'blob') {
      this.#arrived[event.index] = this.#sizes[event.index]!;
      this.#done += 1;
    } else standardError.stream.write(noticeText(event));
    this.#lines.show({ done: this.#done, sizes: this.#sizes, arrived: this.#arrived });
  }

  end(): void {}
}
