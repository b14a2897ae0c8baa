import type { MultiBar, SingleBar } from 'cli-progress';
import type { LayerState, PlannedLayer, PullEvent } from '../../../index.js';
import { counted, formatBytes } from '../format.js';
import { noticeText } from './notice-text.js';

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
export class LayerBars {
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
        stream: process.stderr,
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
    else process.stderr.write(line);
  }

  #show(index: number, line: LayerLine): void {
    const isOver = line.phase === 'done' || line.phase === 'present';
    const isAtWork = !isOver && line.phase !== 'waiting';
    if (!isAtWork && this.#layers.length > (process.stderr.rows ?? Infinity) - OTHER_ROWS) {
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

/** From 0 to 1; undefined for a state without a bar. */
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
