import type { SingleBar } from 'cli-progress';
import { displayJson, type LayerProgress } from '../../../index.js';
import type { ProgressForm } from '../../flags/store-flags.js';
import { standardError } from '../../standard-streams.js';
import { counted, formatBytes, formatSeconds } from '../format.js';

export interface ProgressView {
  update(progress: LayerProgress): void;
  end(): void;
}

const PLAIN_INTERVAL_SECONDS = 3;

/** Shows the progress of one layer on standard error. @param started as `process.uptime()`, in seconds */
export function createProgress(form: ProgressForm, started = process.uptime()): ProgressView {
  const pace = new Pace(started);
  switch (form) {
    case 'auto':
      return standardError.terminal ? new ProgressBar(pace) : plainProgress(pace);
    case 'plain':
      return plainProgress(pace);
    case 'json':
      return jsonProgress(pace);
    case 'none':
      return { update() {}, end() {} };
    default:
      return form satisfies never;
  }
}

/** A line every few seconds: none for a short run, and a readable log of a long one. */
function plainProgress(pace: Pace): ProgressView {
  let next = PLAIN_INTERVAL_SECONDS;
  return {
    update(progress) {
      const paced = pace.measure(progress);
      if (paced.seconds < next) return;
      next = paced.seconds + PLAIN_INTERVAL_SECONDS;
      standardError.stream.write(`overlayer: ${progressText(paced)}\n`);
    },
    end() {},
  };
}

function jsonProgress(pace: Pace): ProgressView {
  return {
    update(progress) {
      standardError.stream.write(`${displayJson({ type: 'progress', ...pace.measure(progress) })}\n`);
    },
    end() {},
  };
}

/** A bar on the terminal that disappears at the end; only its text where the size of the source is not known. */
class ProgressBar implements ProgressView {
  readonly #pace: Pace;
  #bar: SingleBar | undefined;
  #started = false;
  #ended = false;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  update(progress: LayerProgress): void {
    const paced = this.#pace.measure(progress);
    if (!this.#started) void this.#start(paced);
    else this.#bar?.update(paced.compressedBytes, { paced });
  }

  end(): void {
    this.#ended = true;
    this.#bar?.stop();
  }

  async #start(paced: PacedProgress): Promise<void> {
    this.#started = true;
    const { default: cliProgress } = await import('cli-progress');
    if (this.#ended) return;
    this.#bar = new cliProgress.SingleBar({
      format: (options, { progress }, payload: { readonly paced: PacedProgress }) => {
        const text = progressText(payload.paced);
        return payload.paced.compressedSize === undefined
          ? text
          : `${cliProgress.Format.BarFormat(progress, options)} ${text}`;
      },
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      hideCursor: true,
      clearOnComplete: true,
      stream: standardError.stream,
    });
    this.#bar.start(paced.compressedSize ?? 0, paced.compressedBytes, { paced });
  }
}

/** `76 MB of 167 MB (45 %), 85 MB/s, 1.1 s left, 10,443 entries` */
export function progressText(paced: PacedProgress): string {
  const { compressedBytes, compressedSize, rate, secondsLeft, entries } = paced;
  return [
    compressedSize === undefined
      ? formatBytes(compressedBytes)
      : `${formatBytes(compressedBytes)} of ${formatBytes(compressedSize)} (${percent(compressedBytes, compressedSize)} %)`,
    `${formatBytes(rate)}/s`,
    ...(compressedBytes === compressedSize
      ? ['finishing']
      : secondsLeft === undefined
        ? []
        : [`${formatSeconds(secondsLeft)} left`]),
    counted(entries, 'entry', 'entries'),
  ].join(', ');
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((100 * part) / whole);
}

const WINDOW_SECONDS = 5;

interface PacedProgress extends LayerProgress {
  readonly seconds: number;
  /** Bytes of the source in a second. */
  readonly rate: number;
  /** Undefined where the size of the source is not known. */
  readonly secondsLeft: number | undefined;
}

/** Measures the rate over the last few seconds, so that an earlier stall or cached start does not distort it. */
export class Pace {
  readonly #started: number;
  readonly #samples: { readonly at: number; readonly bytes: number }[];

  constructor(started: number) {
    this.#started = started;
    this.#samples = [{ at: started, bytes: 0 }];
  }

  measure(progress: LayerProgress, now = process.uptime()): PacedProgress {
    const { compressedBytes: bytes, compressedSize } = progress;
    this.#samples.push({ at: now, bytes });
    while (this.#samples.length > 2 && now - this.#samples[0]!.at > WINDOW_SECONDS) this.#samples.shift();
    const oldest = this.#samples[0]!;
    const rate = now > oldest.at ? (bytes - oldest.bytes) / (now - oldest.at) : 0;
    const secondsLeft =
      compressedSize === undefined || rate === 0 ? undefined : (compressedSize - bytes) / rate;
    return { ...progress, seconds: now - this.#started, rate, secondsLeft };
  }
}
