import type { Dispatcher } from 'undici';
import { expect, test } from 'vitest';
import { HttpExchange } from '../../../src/image/registry/http/http-exchange.js';

const reason = new Error('enough');

/** An exchange as undici drives it, and what it asks of undici. */
function begin(signal: AbortSignal = new AbortController().signal) {
  const exchange = new HttpExchange(signal, { timeoutMs: 60_000, minBytesPerSecond: 0 });
  exchange.head.catch(() => {});
  const controller = {
    paused: false,
    abortedBy: undefined as unknown,
    pause() {
      this.paused = true;
    },
    resume() {
      this.paused = false;
    },
    abort(why: unknown) {
      this.abortedBy = why;
    },
  };
  const asked = controller as unknown as Dispatcher.DispatchController;
  return {
    exchange,
    controller,
    start: () => exchange.onRequestStart(asked),
    answer: (status: number) => exchange.onResponseStart(asked, status, {}),
    give: (bytes: Buffer) => exchange.onResponseData(asked, bytes),
    end: () => exchange.onResponseEnd(),
    fail: (error: Error) => exchange.onResponseError(asked, error),
  };
}

function answered(signal?: AbortSignal) {
  const begun = begin(signal);
  begun.start();
  begun.answer(200);
  return begun;
}

const text = async (bytes: Promise<Uint8Array | undefined>) => Buffer.from((await bytes) ?? []).toString();

test('the answer that counts is the last: those before it only inform', async () => {
  const { exchange, start, answer } = begin();
  start();
  answer(103);
  answer(404);
  expect(await exchange.head).toEqual({ status: 404, headers: {} });
});

test('bytes are all that have come, then all that came meanwhile, then the end', async () => {
  const { exchange, give, end } = answered();
  const waiting = text(exchange.next());
  give(Buffer.from('a'));
  expect(await waiting).toBe('a');
  give(Buffer.from('b'));
  give(Buffer.from('c'));
  end();
  expect(await text(exchange.next())).toBe('bc');
  expect(await exchange.next()).toBeUndefined();
});

test('bytes stay as they are until the next are asked for, whatever becomes of the memory that they came in', async () => {
  const { exchange, give } = answered();
  const memory = Buffer.from('first');
  give(memory);
  memory.fill('x');
  const first = await exchange.next();
  give(Buffer.alloc(100_000, 'y'));
  expect(Buffer.from(first!).toString()).toBe('first');
  expect(Buffer.from((await exchange.next())!).equals(Buffer.alloc(100_000, 'y'))).toBe(true);
});

test('a server waits while nobody reads, and goes on with whoever does', async () => {
  const { exchange, controller, give } = answered();
  let given = 0;
  for (; !controller.paused; given += 1000) give(Buffer.alloc(1000));
  expect(given).toBeGreaterThan(100_000);
  expect(given).toBeLessThan(1_000_000);
  expect((await exchange.next())?.length).toBe(given);
  expect(controller.paused).toBe(false);
});

test('what came before it broke off is read before the failure', async () => {
  const { exchange, give, fail } = answered();
  give(Buffer.from('some'));
  fail(reason);
  expect(await text(exchange.next())).toBe('some');
  await expect(exchange.next()).rejects.toBe(reason);
});

test.each(['read', 'held up'])('a signal ends a body that is %s', async (how) => {
  const controller = new AbortController();
  const { exchange, controller: asked, give } = answered(controller.signal);
  while (how === 'held up' && !asked.paused) give(Buffer.alloc(10_000));
  const waiting = how === 'read' ? exchange.next() : undefined;
  waiting?.catch(() => {});
  controller.abort(reason);
  await expect(waiting ?? exchange.next()).rejects.toBe(reason);
  expect(asked.abortedBy).toBe(reason);
});

test('a signal ends the waiting for a connection, and the request once there is one', async () => {
  const controller = new AbortController();
  const { exchange, controller: asked, start } = begin(controller.signal);
  controller.abort(reason);
  await expect(exchange.head).rejects.toBe(reason);
  start();
  expect(asked.abortedBy).toBe(reason);
});

test('an answer that has ended is not ended again: its connection has another', async () => {
  const controller = new AbortController();
  const { exchange, controller: asked, end } = answered(controller.signal);
  end();
  exchange.destroy();
  controller.abort(reason);
  expect(asked.abortedBy).toBeUndefined();
});
