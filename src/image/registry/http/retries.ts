import { setTimeout } from 'node:timers/promises';
import { OverlayerError } from '../../../base/errors.js';
import type { RegistryNotice } from '../registry-notice.js';

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A server may ask for any delay. Beyond this one the request fails, and the error tells when to try again. */
const MAX_ASKED_DELAY_MS = 60_000;
/** Shorter delays are not reported unless the server asked for them. */
const LONG_DELAY_MS = 3000;
/** Statuses of a server that limits its clients' requests or connections. */
const OVERLOADED: readonly number[] = [429, 503];
const UNITS = [
  ['days', 24 * 3_600_000],
  ['hours', 3_600_000],
] as const;

/** A temporary failure: a retry may succeed. */
export class PassingFailure extends Error {
  /** The error to throw when there are no more retries. */
  readonly error: OverlayerError;
  /** The server's `Retry-After`. */
  readonly delayMs: number | undefined;
  /** The status of the response; undefined when there was none. */
  readonly status: number | undefined;

  constructor(
    error: OverlayerError,
    response: Pick<PassingFailure, 'delayMs' | 'status'> | undefined = undefined,
  ) {
    super(error.message, { cause: error });
    this.error = error;
    this.delayMs = response?.delayMs;
    this.status = response?.status;
  }
}

/** Counts retries and waits between them. */
export class Retries {
  readonly #most: number;
  readonly #tell: (notice: RegistryNotice) => void;
  readonly #onOverload: () => void;
  #done = 0;

  /** @param onOverload called when a server refuses a request because it has too many */
  constructor(most: number, tell: (notice: RegistryNotice) => void = () => {}, onOverload = () => {}) {
    this.#most = most;
    this.#tell = tell;
    this.#onOverload = onOverload;
  }

  /** Call it after progress: the next failure counts as the first. */
  reset(): void {
    this.#done = 0;
  }

  /** Does `work`, and repeats it after temporary failures. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.wait(error, signal);
      }
    }
  }

  /** Waits before a retry. Throws a permanent failure, or the last temporary one. */
  async wait(failure: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!(failure instanceof PassingFailure)) throw failure;
    const { error, delayMs: asked = 0, status } = failure;
    if (status !== undefined && OVERLOADED.includes(status)) this.#onOverload();
    if (asked > MAX_ASKED_DELAY_MS) throw comeBackLater(error, asked);
    if (this.#done >= this.#most) throw error;
    const backOff = Math.min(FIRST_DELAY_MS * 2 ** this.#done, MAX_DELAY_MS);
    // The jitter spreads the retries of many clients.
    const jittered = backOff * (0.5 + Math.random() / 2);
    const delayMs = Math.round(Math.max(jittered, asked));
    this.#done++;
    if (asked > 0 || delayMs >= LONG_DELAY_MS) this.#tell({ type: 'wait', delayMs, reason: error.message });
    await setTimeout(delayMs, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}

function comeBackLater({ code, message, cause }: OverlayerError, delayMs: number): OverlayerError {
  const time = new Date(Date.now() + delayMs).toISOString().replace(/:\d\d\.\d+Z/, ' UTC');
  const hint = `the registry asks to wait ${inWords(delayMs)}, until ${time.replace('T', ' ')}`;
  return new OverlayerError(code, message, { hint, cause });
}

function inWords(ms: number): string {
  const [unit, size] = UNITS.find(([, least]) => ms >= 2 * least) ?? ['minutes', 60_000];
  return `${Math.ceil(ms / size)} ${unit}`;
}
