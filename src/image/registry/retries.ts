import { setTimeout } from 'node:timers/promises';
import type { OverlayerError } from '../../base/errors.js';

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A server may ask for any time; nobody waits for longer than this without knowing why. */
const MAX_ASKED_DELAY_MS = 30_000;

/** A failure that may be gone another time. */
export class PassingFailure extends Error {
  /** What is thrown when there is no other time. */
  readonly error: OverlayerError;
  /** What the server asked for (`Retry-After`). */
  readonly delayMs: number | undefined;

  constructor(error: OverlayerError, delayMs?: number) {
    super(error.message, { cause: error });
    this.error = error;
    this.delayMs = delayMs;
  }
}

/** How often, and after how long, something is tried again. */
export class Retries {
  readonly #most: number;
  #done = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** It went well for a while: what comes now is another failure. */
  reset(): void {
    this.#done = 0;
  }

  /** The work's outcome; after a passing failure it is done again. */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        await this.wait(error, signal);
      }
    }
  }

  /** Waits until it is time for another try. Throws what is no passing failure, or one too many. */
  async wait(failure: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!(failure instanceof PassingFailure)) throw failure;
    if (this.#done >= this.#most) throw failure.error;
    const backOff = Math.min(FIRST_DELAY_MS * 2 ** this.#done, MAX_DELAY_MS);
    // The jitter keeps many clients of one registry from coming back all at once.
    const jittered = backOff * (0.5 + Math.random() / 2);
    const asked = Math.min(failure.delayMs ?? 0, MAX_ASKED_DELAY_MS);
    this.#done++;
    await setTimeout(Math.max(jittered, asked), undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}
