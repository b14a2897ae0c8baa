import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SupplyWatch } from '../../src/image/pull/supply-watch.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** How often the watch says so, while `use` uses it for 1 s. */
async function timesStarved(use: (watch: SupplyWatch) => Promise<void>): Promise<number> {
  let times = 0;
  using watch = new SupplyWatch(() => times++);
  void use(watch);
  await vi.advanceTimersByTimeAsync(1000);
  return times;
}

test('one long wait: each period', async () => {
  expect(await timesStarved((watch) => watch.wait(after(2000)))).toBe(4);
});

test.each([
  ['more than half of the time', 8, 6, 4],
  ['less', 6, 8, 0],
])('many short waits, %s', async (_, waitMs, workMs, times) => {
  const starved = await timesStarved(async (watch) => {
    for (;;) {
      await watch.wait(after(waitMs));
      await after(workMs);
    }
  });
  expect(starved).toBe(times);
});

test('a wait that began in one period and ends in another counts for both', async () => {
  const starved = await timesStarved(async (watch) => {
    await after(100);
    await watch.wait(after(300)); // 150 ms of the first period, 150 of the second
  });
  expect(starved).toBe(2);
});

test('a wait that fails', async () => {
  const failure = new Error('gone');
  const starved = await timesStarved(async (watch) => {
    await expect(watch.wait(after(150).then(() => Promise.reject(failure)))).rejects.toBe(failure);
  });
  expect(starved).toBe(1);
});

test('nothing more is said once it is stopped', async () => {
  let times = 0;
  {
    using watch = new SupplyWatch(() => times++);
    void watch.wait(after(1000));
  }
  await vi.advanceTimersByTimeAsync(500);
  expect(times).toBe(0);
});
