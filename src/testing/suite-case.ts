import assert from 'node:assert/strict';
import { type ErrorCode, OverlayerError } from '../base/errors.js';
import type { SuiteContext } from './suite-context.js';

export interface SuiteCase {
  readonly name: string;
  run(context: SuiteContext): Promise<void>;
}

/** Makes cases from functions by name, so that a file of cases reads as a list. */
export function cases(named: Readonly<Record<string, SuiteCase['run']>>): SuiteCase[] {
  return Object.entries(named).map(([name, run]) => ({ name, run }));
}

/** Asserts that an action fails with this code. @returns the error */
export async function refuses(code: ErrorCode, action: Promise<unknown>): Promise<OverlayerError> {
  const outcome = await action.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(outcome !== undefined, `it should be refused with ${code}`);
  assert.ok(OverlayerError.is(outcome), `not an OverlayerError: ${outcome}`);
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}
