import { expect } from 'vitest';
import { overlayer } from '../cli/helpers.js';

/** Expects that `snapshots check` finds nothing in a store. A check that takes long would print its progress. */
export async function expectWholeSnapshots(root: string): Promise<void> {
  const checked = await overlayer(['snapshots', 'check', '--progress', 'none', '--root', root]);
  expect(checked, 'snapshots check').toMatchObject({ code: 0, stderr: '' });
}
