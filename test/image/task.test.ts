import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Task, type Tell } from '../../src/image/task.js';

const FAILURE = new Error('failed');

/** Tells some events, waits for the word, and ends. */
function steps(ending: () => string = () => 'done') {
  let goOn = () => {};
  const word = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const work = async (tell: Tell<string>) => {
    tell('plan');
    tell('a 1', 0);
    tell('b 1', 1);
    tell('a 2', 0);
    tell('commit');
    await word;
    return ending();
  };
  return { work, goOn };
}

/** What nobody has taken. */
function unhandled(): unknown[] {
  const reasons: unknown[] = [];
  const listeners = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection');
  process.on('unhandledRejection', (reason) => reasons.push(reason));
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  });
  return reasons;
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 5));

test('it begins without being asked, once the caller has it', async () => {
  const work = vi.fn(async () => 'done');
  const task = new Task(work);
  expect(work).not.toHaveBeenCalled();
  await Promise.resolve();
  expect(work).toHaveBeenCalledTimes(1);
  expect(await task).toBe('done');
});

test('of events with a key, the last that nobody has seen is told; the others all are', async () => {
  const { work, goOn } = steps();
  goOn();
  const events: string[] = [];
  for await (const event of new Task(work)) events.push(event);
  expect(events).toEqual(['plan', 'a 2', 'b 1', 'commit']);
});

test('leaving the loop ends the watching alone', async () => {
  const { work, goOn } = steps();
  const task = new Task(work);
  for await (const event of task) if (event === 'plan') break;
  goOn();
  expect(await task).toBe('done');
});

test('it is watched once', async () => {
  const { work, goOn } = steps();
  goOn();
  const task = new Task(work);
  for await (const _ of task);
  await expect(
    (async () => {
      for await (const _ of task);
    })(),
  ).rejects.toMatchObject({ code: 'FailedPrecondition' });
});

test('a failure is thrown by the loop and by the result, and is no unhandled one then', async () => {
  const reasons = unhandled();
  const { work, goOn } = steps(() => {
    throw FAILURE;
  });
  goOn();
  const task = new Task(work);
  await expect(
    (async () => {
      for await (const _ of task) await turns();
    })(),
  ).rejects.toBe(FAILURE);
  await expect(task).rejects.toBe(FAILURE);
  await turns();
  expect(reasons).toEqual([]);
});

test('after the loop was left, the result is awaited: no unhandled failure', async () => {
  const reasons = unhandled();
  const { work, goOn } = steps(() => {
    throw FAILURE;
  });
  const task = new Task(work);
  for await (const event of task) if (event === 'plan') break;
  goOn();
  await expect(task).rejects.toBe(FAILURE);
  await turns();
  expect(reasons).toEqual([]);
});

test.each(['never watched', 'left'])('a failure that nobody takes is unhandled, once: %s', async (how) => {
  const reasons = unhandled();
  const { work, goOn } = steps(() => {
    throw FAILURE;
  });
  const task = new Task(work);
  if (how === 'left') for await (const event of task) if (event === 'plan') break;
  const noticed = once(process, 'unhandledRejection');
  goOn();
  await noticed;
  await turns();
  expect(reasons).toEqual([FAILURE]);
});
