import type { MultiBar, SingleBar } from 'cli-progress';
import {
  displayJson,
  displayPath,
  type LayerState,
  type PlannedLayer,
  type PullEvent,
} from '../../../index.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import { standardError } from '../../standard-streams.js';
import { counted, formatBytes, formatSeconds } from '../format.js';
import { PacedLines } from './paced-lines.js';

const BAR_WIDTH = 24;
/** Digits of a digest, as docker shows it. */
const SHORT = 12;
/** Rows of the terminal that stay free, for the prompt. */
const OTHER_ROWS = 2;

/** The state of a layer, as its line shows it. */
type LayerLine = LayerState | { readonly phase: 'done' | 'present' };

interface Payload {
  readonly digest: string;
  readonly line: LayerLine;
}

/**
 * A line for each layer, which stays on the terminal. If the terminal has fewer rows, only layers that are being fetched
 * or unpacked have a line.
 */
class LayerBars {
  readonly #loading = import('cli-progress').then(({ default: cliProgress }) => cliProgress);
  #multi: MultiBar | undefined;
  #layers: readonly PlannedLayer[] = [];
  #bars = new Map<number, SingleBar>();
  /** The events before `cli-progress` was loaded. */
  #early: PullEvent[] | undefined = [];

  constructor() {
    void this.#loading.then((cliProgress) => {
      this.#multi = new cliProgress.MultiBar({
        format: (_, __, { digest, line }: Payload) => `${digest}: ${bar(line)}${layerText(line)}`,
        hideCursor: true,
        clearOnComplete: false,
        stopOnComplete: false,
        stream: standardError.stream,
        fps: 10,
      });
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const event of early) this.tell(event);
    });
  }

  tell(event: PullEvent): void {
    if (this.#early !== undefined) {
      this.#early.push(event);
      return;
    }
    switch (event.type) {
      case 'plan':
        this.#layers = event.layers;
        this.#bars = new Map();
        break;
      case 'progress':
        this.#show(event.index, event);
        break;
      case 'skip':
        this.#show(event.index, { phase: 'present' });
        break;
      case 'commit':
        this.#show(event.index, { phase: 'done' });
        break;
      case 'pass-over':
      case 'wait':
      case 'warning':
        this.#say(`overlayer: ${noticeText(event)}\n`);
        break;
      default:
        event satisfies never;
    }
  }

  async end(): Promise<void> {
    await this.#loading;
    this.#multi?.stop();
  }

  /** Prints above the bars. `cli-progress` would hold the line back until there is a bar. */
  #say(line: string): void {
    if (this.#bars.size > 0) this.#multi!.log(line);
    else standardError.stream.write(line);
  }

  #show(index: number, line: LayerLine): void {
    const isOver = line.phase === 'done' || line.phase === 'present';
    const isAtWork = !isOver && line.phase !== 'waiting';
    if (!isAtWork && this.#layers.length > (standardError.terminal?.rows ?? Infinity) - OTHER_ROWS) {
      if (isOver) this.#remove(index);
      return;
    }
    const { digest } = this.#layers[index]!.descriptor;
    const payload: Payload = { digest: digest.slice('sha256:'.length).slice(0, SHORT), line };
    const shown = this.#bars.get(index);
    if (shown !== undefined) shown.update(0, payload);
    else this.#bars.set(index, this.#multi!.create(1, 0, payload));
  }

  #remove(index: number): void {
    const shown = this.#bars.get(index);
    this.#bars.delete(index);
    if (shown !== undefined) this.#multi!.remove(shown);
  }
}

function bar(line: LayerLine): string {
  const share = layerShare(line);
  if (share === undefined) return '';
  const filled = Math.round(share * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)} `;
}

/** The part that is done, from 0 to 1; undefined for a state without a bar. */
function layerShare(line: LayerLine): number | undefined {
  if (line.phase !== 'downloading' && line.phase !== 'unpacking') return undefined;
  return line.compressedSize === 0 ? 1 : line.compressedBytes / line.compressedSize;
}

/** `downloading 12 MB of 30 MB` */
function layerText(line: LayerLine): string {
  switch (line.phase) {
    case 'waiting':
      return `waiting (${formatBytes(line.compressedSize)})`;
    case 'downloading':
      return `downloading ${formatBytes(line.compressedBytes)} of ${formatBytes(line.compressedSize)}`;
    case 'unpacking':
      return `unpacking ${counted(line.entries, 'entry', 'entries')}`;
    case 'verifying':
    case 'committing':
    case 'done':
      return line.phase;
    case 'present':
      return 'already there';
    default:
      return line satisfies never;
  }
}

/** Events that are shown even without progress. */
type Notice = Extract<PullEvent, { readonly type: 'pass-over' | 'wait' | 'warning' }>;

function isNotice(event: PullEvent): event is Notice {
  return event.type === 'pass-over' || event.type === 'wait' || event.type === 'warning';
}

/** One line of text. */
function noticeText(notice: Notice): string {
  switch (notice.type) {
    case 'pass-over':
      return displayPath(`passed over ${notice.name}: ${notice.reason}`);
    case 'wait':
      return displayPath(`waiting ${formatSeconds(notice.delayMs / 1000)}: ${notice.reason}`);
    case 'warning':
      return displayPath(`warning: ${notice.message}`);
    default:
      return notice satisfies never;
  }
}

export interface PullView {
  tell(event: PullEvent): void;
  end(): Promise<void> | void;
}

/** Shows the progress of a pull on standard error. */
export function createPullProgress(form: ProgressForm): PullView {
  switch (form) {
    case 'auto':
      return standardError.terminal ? new LayerBars() : new PlainPull();
    case 'plain':
      return new PlainPull();
    case 'json':
      return { tell: (event) => void standardError.stream.write(`${displayJson(event)}\n`), end() {} };
    case 'none':
      return { tell: (event) => isNotice(event) && writeNotice(event), end() {} };
    default:
      return form satisfies never;
  }
}

function writeNotice(notice: Notice): void {
  standardError.stream.write(`overlayer: ${noticeText(notice)}\n`);
}

class PlainPull implements PullView {
  readonly #lines = new PacedLines('layer', 'layers');
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
    this.#lines.show({ done: this.#done, sizes: this.#sizes, arrived: this.#arrived });
  }

  end(): void {}
}
