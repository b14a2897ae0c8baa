import { rmSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EarlyFlush, FlushPoint } from '../../src/snapshot/fill/flush-point.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let directory: string;
let early: EarlyFlush;
const flushes = vi.spyOn(FlushPoint.prototype, 'flush');

beforeEach(() => {
  flushes.mockClear();
  directory = makeWorkDirectory();
  early = new EarlyFlush(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Waits for a flush, and for all that hangs on it. */
async function end(flush: number): Promise<void> {
  await flushes.mock.results[flush]!.value;
  await setImmediate();
}

test.each([
  ['many bytes', { bytes: 32e6, entries: 1 }],
  ['many entries', { bytes: 1, entries: 12_000 }],
])('the disk begins after %s', async (_, progress) => {
  early.onProgress({ bytes: progress.bytes - 1, entries: progress.entries - 1 });
  expect(flushes).not.toHaveBeenCalled();
  early.onProgress(progress);
  expect(flushes).toHaveBeenCalledTimes(1);
  await end(0);
});

test('and again after as many more, once it is done with those', async () => {
  early.onProgress({ bytes: 40e6, entries: 1 });
  early.onProgress({ bytes: 80e6, entries: 2 });
  expect(flushes).toHaveBeenCalledTimes(1);
  await end(0);
  early.onProgress({ bytes: 71e6, entries: 2 });
  expect(flushes).toHaveBeenCalledTimes(1);
  early.onProgress({ bytes: 72e6, entries: 2 });
  expect(flushes).toHaveBeenCalledTimes(2);
  await end(1);
});
