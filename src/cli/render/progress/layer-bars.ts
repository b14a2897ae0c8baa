import type { MultiBar, SingleBar } from 'cli-progress';
import type { PlannedLayer, PullEvent } from '../../../index.js';
import { type LayerLine, layerShare, layerText } from './layer-line.js';
import { noticeText } from './notice-text.js';
import type { PullView } from './pull-progress.js';

const BAR_WIDTH = 24;
/** Of a digest, as docker shows it. */
const SHORT = 12;
/** Of the terminal: for the prompt and what comes after. */
const OTHER_ROWS = 2;

interface Payload {
  readonly digest: string;
  readonly line: LayerLine;
}

/**
 * A line for each layer on the terminal, which stay when the work is done; where it has too few, for each that
 * is at work.
 */
export class LayerBars implements PullView {
  readonly #loading = import('cli-progress').then(({ default: cliProgress }) => cliProgress);
  #multi: MultiBar | undefined;
  #layers: readonly PlannedLayer[] = [];
  #bars = new Map<number, SingleBar>();
  /** What was told before the bars were loaded. */
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

  /** Above the bars; where there are none yet, they would only come out with the first. */
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
