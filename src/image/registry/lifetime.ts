import { OverlayerError } from '../../base/errors.js';

/** The time in which a registry is asked: until it is closed, or its deadline has passed. */
export class Lifetime {
  readonly #ending = new AbortController();
  readonly #deadline: NodeJS.Timeout | undefined;

  /** @param failure the message of a passed deadline: `debian:12 did not arrive` */
  constructor(deadlineMs: number | undefined, failure: string) {
    if (deadlineMs === undefined) return;
    const message = `${failure} within ${deadlineMs / 1000} s`;
    const hint = '--deadline (deadlineMs) sets the limit';
    const late = () => this.#ending.abort(new OverlayerError('Unavailable', message, { hint }));
    this.#deadline = setTimeout(late, deadlineMs).unref();
  }

  /** Aborted at the end. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Aborted at the end, or by the caller. */
  during(given: AbortSignal | undefined): AbortSignal {
    return given === undefined ? this.signal : AbortSignal.any([given, this.signal]);
  }

  end(): void {
    clearTimeout(this.#deadline);
    this.#ending.abort(new OverlayerError('FailedPrecondition', 'The registry is closed'));
  }
}
