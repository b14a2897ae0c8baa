import { constants } from 'node:os';

type EndingSignal = 'SIGINT' | 'SIGTERM';

/** Why a command stopped early: the reason of its abort signal. */
export class Interruption extends Error {
  readonly exitCode: number;

  constructor(readonly by: EndingSignal) {
    super(`stopped by ${by}`);
    this.exitCode = 128 + constants.signals[by];
  }
}

/**
 * An abort signal for Ctrl-C and termination. The process then lives until the command has cleaned up; a second
 * signal ends it as if it had not been heard.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Interruption(name)));
  return controller.signal;
}
