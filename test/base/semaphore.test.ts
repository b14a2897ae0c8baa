import { expect, test } from 'vitest';
import { Semaphore } from '../../src/base/threads/semaphore.js';

/** Whether a user is in by now. */
async function isIn(entering: Promise<unknown>): Promise<boolean> {
  return await Promise.race([
    entering.then(() => true),
    new Promise<false>((end) => setImmediate(end, false)),
  ]);
}

test('a place that is removed while none is free is given up by the next user who leaves', async () => {
  const semaphore = new Semaphore(2);
  const [leave, leaveToo] = await Promise.all([semaphore.enter(), semaphore.enter()]);
  const waiting = semaphore.enter();
  semaphore.narrow();
  leave();
  expect(await isIn(waiting)).toBe(false);
  leaveToo();
  expect(await isIn(waiting)).toBe(true);
});

test('a place that is added again replaces the one that was removed', async () => {
  const semaphore = new Semaphore(1);
  semaphore.narrow();
  const waiting = semaphore.enter();
  expect(await isIn(waiting)).toBe(false);
  semaphore.widen();
  expect(await isIn(waiting)).toBe(true);
});
