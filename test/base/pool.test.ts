import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { Pool } from '../../src/base/threads/pool.js';

afterEach(() => vi.useRealTimers());

class Item {
  broken = false;
  terminated = false;

  keepAlive(): void {}

  async terminate(): Promise<void> {
    this.terminated = true;
  }
}

function poolOf(size: number): { readonly pool: Pool<Item>; readonly made: Item[] } {
  const made: Item[] = [];
  const make = () => {
    made.push(new Item());
    return made.at(-1)!;
  };
  return { pool: new Pool(make, size), made };
}

test('an item is made when it is needed, and kept', async () => {
  const { pool, made } = poolOf(2);
  expect(made.length).toBe(0);
  for (let round = 0; round < 3; round++) expect(await pool.use(async (item) => item)).toBe(made[0]);
  expect(made.length).toBe(1);
});

test('one is made ahead, and no second one', async () => {
  const { pool, made } = poolOf(2);
  pool.warmUp();
  pool.warmUp();
  expect(made.length).toBe(1);
  expect(await pool.use(async (item) => item)).toBe(made[0]);
});

test('users beyond the size wait, in their order', async () => {
  const { pool } = poolOf(1);
  const order: number[] = [];
  const first = await pool.take();
  const others = [1, 2, 3].map((user) => pool.use(async () => order.push(user)));
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  await Promise.all(others);
  expect(order).toEqual([1, 2, 3]);
});

test('a signal ends the wait, and the place is not lost', async () => {
  const { pool } = poolOf(1);
  const reason = new Error('enough');
  const first = await pool.take();
  const controller = new AbortController();
  const waiting = pool.take(controller.signal);
  controller.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  await expect(pool.take(AbortSignal.abort(reason))).rejects.toBe(reason);
  first[Symbol.dispose]();
  expect(await pool.use(async (item) => item)).toBe(first.item);
});

test('any number may wait with one signal, without a warning', async () => {
  const { pool } = poolOf(1);
  const warnings: string[] = [];
  const onWarning = ({ message }: Error) => warnings.push(message);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 30 }, () => pool.use(async () => {}, signal)));
  await setImmediate();
  expect(warnings).toEqual([]);
});

test.each(['in use', 'idle'])('an item that breaks while it is %s is replaced', async (when) => {
  const { pool, made } = poolOf(1);
  await pool.use(async (item) => {
    item.broken = when === 'in use';
  });
  made[0]!.broken = true;
  expect(await pool.use(async (item) => item)).toBe(made[1]);
  expect(made[0]!.terminated).toBe(true);
});

test('a failure to make an item gives the place back', async () => {
  const failure = new Error('no thread');
  let fails = true;
  const pool = new Pool(() => {
    if (fails) throw failure;
    return new Item();
  }, 1);
  await expect(pool.take()).rejects.toBe(failure);
  fails = false;
  expect(await pool.use(async (item) => item)).toBeInstanceOf(Item);
});

test('a user that waits long for its caller holds no place', async () => {
  vi.useFakeTimers();
  const { pool, made } = poolOf(1);
  const first = await pool.take();
  const callerIsBack = first.awaitCaller();
  const second = pool.take();
  await vi.advanceTimersToNextTimerAsync();
  expect((await second).item).toBe(made[1]);
  callerIsBack();
  (await second)[Symbol.dispose]();
  // The first gave its place away for good: to give the item back frees no second place.
  first[Symbol.dispose]();
  await pool.take();
  void pool.take();
  await vi.runAllTimersAsync();
  expect(made.length).toBe(2);
});

test('a user whose caller is back in time keeps its place', async () => {
  vi.useFakeTimers();
  const { pool, made } = poolOf(1);
  const first = await pool.take();
  first.awaitCaller()();
  const second = pool.take();
  await vi.runAllTimersAsync();
  expect(made.length).toBe(1);
  first[Symbol.dispose]();
  expect((await second).item).toBe(made[0]);
});
