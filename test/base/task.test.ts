import { once } from 'node:events';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { DataTask, ProgressTask, type Tell } from '../../src/base/task.js';

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

describe('a task whose events are progress', () => {
  test('it begins at once, and is not awaited for it', async () => {
    const work = vi.fn(async () => 'done');
    const task = new ProgressTask(work);
    expect(work).toHaveBeenCalledTimes(1);
    expect(await task).toBe('done');
  });

  test('of events with a key, the last that nobody has seen is told; the others all are', async () => {
    const { work, goOn } = steps();
    goOn();
    const events: string[] = [];
    for await (const event of new ProgressTask(work)) events.push(event);
    expect(events).toEqual(['plan', 'a 2', 'b 1', 'commit']);
  });

  test('leaving the loop ends the watching alone', async () => {
    const { work, goOn } = steps();
    const task = new ProgressTask(work);
    for await (const event of task) if (event === 'plan') break;
    goOn();
    expect(await task).toBe('done');
  });

  test('it is watched once', async () => {
    const { work, goOn } = steps();
    goOn();
    const task = new ProgressTask(work);
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
    const task = new ProgressTask(work);
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
    const task = new ProgressTask(work);
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
    const task = new ProgressTask(work);
    if (how === 'left') for await (const event of task) if (event === 'plan') break;
    const noticed = once(process, 'unhandledRejection');
    goOn();
    await noticed;
    await turns();
    expect(reasons).toEqual([FAILURE]);
  });
});

describe('a task whose events are data', () => {
  /** Counts to three. */
  function counting(ending: () => string = () => 'done') {
    const seen = { begun: 0, ended: 0, wantsData: undefined as boolean | undefined };
    async function* run(wantsData: boolean) {
      seen.begun += 1;
      seen.wantsData = wantsData;
      try {
        for (const number of [1, 2, 3]) yield number;
        return ending();
      } finally {
        seen.ended += 1;
      }
    }
    return { seen, task: new DataTask(run) };
  }

  const failing = () =>
    counting(() => {
      throw FAILURE;
    });

  async function read(task: AsyncIterable<number>): Promise<number[]> {
    const numbers: number[] = [];
    for await (const number of task) numbers.push(number);
    return numbers;
  }

  test('it begins when it is used', async () => {
    const { seen, task } = counting();
    await turns();
    expect(seen.begun).toBe(0);
    expect(await read(task)).toEqual([1, 2, 3]);
    expect(await task).toBe('done');
    expect(seen).toEqual({ begun: 1, ended: 1, wantsData: true });
  });

  test.each<[string, (task: Promise<string>) => Promise<unknown>]>([
    ['await', async (task) => await task],
    ['then', (task) => task.then((result) => result)],
    ['catch', (task) => task.catch(() => {})],
    ['finally', (task) => task.finally(() => {})],
    ['Promise.all', async (task) => (await Promise.all([task]))[0]],
  ])('it needs no loop: %s', async (_, use) => {
    const { seen, task } = counting();
    expect(await use(task)).toBe('done');
    expect(seen).toEqual({ begun: 1, ended: 1, wantsData: false });
  });

  test('data that were dropped cannot be iterated', async () => {
    const { task } = counting();
    await task;
    await expect(read(task)).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: expect.stringContaining('dropped'),
    });
  });

  test('it is iterated once', async () => {
    const { task } = counting();
    await read(task);
    await expect(read(task)).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });

  test('a loop and the result at the same time', async () => {
    const { seen, task } = counting();
    expect(await Promise.all([read(task), task])).toEqual([[1, 2, 3], 'done']);
    expect(seen.begun).toBe(1);
  });

  test('leaving the loop ends the work, and fails the result', async () => {
    const reasons = unhandled();
    const { seen, task } = counting();
    for await (const _ of task) break;
    expect(seen.ended).toBe(1);
    await turns();
    await expect(task).rejects.toMatchObject({ code: 'Cancelled' });
    expect(reasons).toEqual([]);
  });

  test('a loop that is left before its first step fails the result', async () => {
    const { seen, task } = counting();
    await task[Symbol.asyncIterator]().return?.();
    await expect(task).rejects.toMatchObject({ code: 'Cancelled' });
    expect(seen.begun).toBe(0);
  });

  test('a failure is thrown by the loop and by the result, and either handles it', async () => {
    const reasons = unhandled();
    const both = failing();
    await expect(read(both.task)).rejects.toBe(FAILURE);
    await expect(both.task).rejects.toBe(FAILURE);
    await expect(read(failing().task)).rejects.toBe(FAILURE);
    await expect(failing().task).rejects.toBe(FAILURE);
    await turns();
    expect(reasons).toEqual([]);
  });
});

test.each([
  ['progress', () => new ProgressTask<string, string>(async () => 'done')],
  [
    'data',
    () =>
      new DataTask<string, string>(async function* () {
        yield 'data';
        return 'done';
      }),
  ],
])('a task is a promise: %s', async (_, make) => {
  const task = make();
  expect(task).toBeInstanceOf(Promise);
  expect(Object.prototype.toString.call(task)).toBe('[object Promise]');
  expect(task.then(() => {}).constructor).toBe(Promise);
  expect(task.catch(() => {}).constructor).toBe(Promise);
  const ended = vi.fn();
  await task.finally(ended);
  expect(ended).toHaveBeenCalledTimes(1);
  expect(await Promise.all([task, Promise.race([task])])).toEqual(['done', 'done']);
});
