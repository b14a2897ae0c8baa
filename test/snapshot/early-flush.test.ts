import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EarlyFlush } from '../../src/snapshot/early-flush.js';
import { treeThreads } from '../../src/snapshot/tree-threads.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let directory: string;
let early: EarlyFlush;
const jobs = vi.spyOn(treeThreads, 'run');

beforeEach(() => {
  jobs.mockClear();
  directory = makeWorkDirectory();
  early = new EarlyFlush(directory);
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each([
  ['many bytes', { bytes: 32e6, entries: 1 }],
  ['many entries', { bytes: 1, entries: 12_000 }],
])('the disk begins after %s', async (_, progress) => {
  early.onProgress({ bytes: progress.bytes - 1, entries: progress.entries - 1 });
  expect(jobs).not.toHaveBeenCalled();
  early.onProgress(progress);
  expect(jobs.mock.calls).toEqual([[{ type: 'sync', directory }]]);
  await jobs.mock.results[0]!.value;
});

test('and again after as many more, once it is done with those', async () => {
  early.onProgress({ bytes: 40e6, entries: 1 });
  early.onProgress({ bytes: 80e6, entries: 2 });
  expect(jobs).toHaveBeenCalledTimes(1);
  await jobs.mock.results[0]!.value;
  early.onProgress({ bytes: 71e6, entries: 2 });
  expect(jobs).toHaveBeenCalledTimes(1);
  early.onProgress({ bytes: 72e6, entries: 2 });
  expect(jobs).toHaveBeenCalledTimes(2);
  await jobs.mock.results[1]!.value;
});
