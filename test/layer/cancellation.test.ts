import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect } from 'vitest';
import { createDiff, planLayer, unpackLayer } from '../../src/index.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { file, header, tar } from '../helpers/tar-builder.js';
import { within } from '../helpers/within.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const noHang = { timeout: 20_000 };
const SOON = 5_000;

const reason = new Error('the caller has had enough');
const entry = file('a', 'x'.repeat(100_000));

/** Resolves once an unpack has made entries, so that the signal comes in its midst. */
function underWay(): { started: Promise<void>; onProgress: (progress: { entries: number }) => void } {
  let begin: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    begin = resolve;
  });
  return { started, onProgress: ({ entries }) => entries > 0 && begin() };
}

async function abortMidway(box: Sandbox, source: Parameters<typeof unpackLayer>[0]): Promise<void> {
  const controller = new AbortController();
  const { started, onProgress } = underWay();
  const unpacking = box.unpack(source, { signal: controller.signal, onProgress });
  unpacking.catch(() => {});
  await within(SOON, 'start', started);
  controller.abort(reason);
  await expect(within(SOON, 'abort', unpacking)).rejects.toBe(reason);
  expect(box.exists()).toBe(false);
}

describe('a signal in the midst of the work', noHang, () => {
  test('a generator that never ends is ended', async ({ box }) => {
    let ended: () => void = () => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    async function* endless() {
      try {
        for (let count = 0; ; count++) {
          yield file(`f${count}`, 'x');
          await new Promise(setImmediate);
        }
      } finally {
        ended();
      }
    }
    await abortMidway(box, endless());
    await within(SOON, 'end of the generator', end);
  });

  test('a stream that stays silent is destroyed', async ({ box }) => {
    const stream = new PassThrough();
    stream.write(Buffer.concat([entry, header({ name: 'b', size: 1e6 })]));
    await abortMidway(box, stream);
    expect(stream.destroyed).toBe(true);
  });

  test('a web stream that stays silent is cancelled', async ({ box }) => {
    let cancelled: () => void = () => {};
    const cancel = new Promise<void>((resolve) => {
      cancelled = resolve;
    });
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(entry),
      cancel: () => cancelled(),
    });
    await abortMidway(box, stream);
    await within(SOON, 'cancellation of the stream', cancel);
  });

  test('a large file', async ({ box }) => {
    const work = makeWorkDirectory();
    const path = join(work, 'layer.tar');
    const small = Array.from({ length: 20_000 }, (_, index) => file(`d${index % 300}/f${index}`, 'x'));
    writeFileSync(path, tar(...small));
    await abortMidway(box, path);
    execFileSync('rm', ['-rf', work]);
  });

  test('an empty directory that was there is empty again', async ({ box }) => {
    mkdirSync(box.dest);
    const controller = new AbortController();
    const { started, onProgress } = underWay();
    const stream = new PassThrough();
    stream.write(entry);
    const unpacking = box.unpack(stream, { signal: controller.signal, onProgress });
    unpacking.catch(() => {});
    await within(SOON, 'start', started);
    controller.abort(reason);
    await expect(unpacking).rejects.toBe(reason);
    expect(readdirSync(box.dest)).toEqual([]);
  });

  test('any value can be the reason', async ({ box }) => {
    const controller = new AbortController();
    const stream = new PassThrough();
    stream.write(entry);
    const unpacking = box.unpack(stream, { signal: controller.signal });
    controller.abort('just words');
    await expect(unpacking).rejects.toBe('just words');
  });
});

describe('a signal at other times', noHang, () => {
  test('before: nothing is begun, and the source is let go', async ({ box }) => {
    const stream = new PassThrough();
    const signal = AbortSignal.abort(reason);
    await expect(box.unpack(stream, { signal })).rejects.toBe(reason);
    expect(box.exists()).toBe(false);
    expect(stream.destroyed).toBe(true);
  });

  test('after: nothing happens', async ({ box }) => {
    const controller = new AbortController();
    await box.unpack(tar(entry), { signal: controller.signal });
    controller.abort(reason);
    await box.unpack(tar(file('b')), { existing: 'merge' });
    expect([...box.tree().keys()]).toEqual(['.', 'a', 'b']);
  });

  test('while it waits for its turn', async ({ box }) => {
    await whileAllAreBusy(box.dest, async () => {
      const controller = new AbortController();
      const waiting = box.unpack(tar(entry), { signal: controller.signal });
      waiting.catch(() => {});
      controller.abort(reason);
      await expect(within(SOON, 'abort', waiting)).rejects.toBe(reason);
    });
  });

  test('before, where it would have to wait for its turn', async ({ box }) => {
    await whileAllAreBusy(box.dest, async () => {
      const signal = AbortSignal.abort(reason);
      const tasks: Promise<unknown>[] = [
        planLayer(tar(entry), { signal }),
        createDiff({ upper: '/' }, { signal }),
      ];
      for (const task of tasks) await expect(within(SOON, 'abort', task)).rejects.toBe(reason);
    });
  });
});

/** Runs `work` while as many layers as can be unpacked at once are, none of which ends by itself. */
async function whileAllAreBusy(destination: string, work: () => Promise<void>): Promise<void> {
  const others = Array.from({ length: availableParallelism() }, (_, index) => {
    const controller = new AbortController();
    const stream = new PassThrough();
    stream.write(entry);
    const unpacking = unpackLayer(stream, `${destination}-${index}`, { signal: controller.signal });
    unpacking.catch(() => {});
    return { controller, unpacking };
  });
  try {
    await work();
  } finally {
    for (const { controller } of others) controller.abort(reason);
    await Promise.allSettled(others.map(({ unpacking }) => unpacking));
  }
}

describe('a plan', noHang, () => {
  test('ends with the signal', async () => {
    const controller = new AbortController();
    const stream = new PassThrough();
    stream.write(entry);
    const plan = planLayer(stream, { signal: controller.signal });
    const read = async () => {
      for await (const _ of plan) controller.abort(reason);
    };
    setImmediate(() => controller.abort(reason));
    await expect(within(SOON, 'abort', read())).rejects.toBe(reason);
    await expect(plan).rejects.toBe(reason);
  });

  test('ends by a signal while its source waits for room', async () => {
    const controller = new AbortController();
    let given = 0;
    async function* endless() {
      for (const entries = file('f', 'x').subarray(0, 1024); ; given++) yield entries;
    }
    const plan = planLayer(endless(), { signal: controller.signal });
    const read = async () => {
      for await (const _ of plan) {
        // Nobody asks for more: neither does anybody ask the source, in the end.
        for (let before = -1, turns = 0; turns < 100; turns++) {
          if (given !== before) turns = 0;
          before = given;
          await new Promise(setImmediate);
        }
        controller.abort(reason);
      }
    };
    await expect(within(SOON, 'abort', read())).rejects.toBe(reason);
  });

  test('ends by a signal while it is taken more slowly than it comes', async () => {
    const layer = tar(...Array.from({ length: 20_000 }, (_, index) => file(`f${index}`)));
    const controller = new AbortController();
    let taken = 0;
    const read = async () => {
      for await (const _ of planLayer([layer], { signal: controller.signal })) {
        if (taken++ === 0) setImmediate(() => controller.abort(reason));
        for (const end = performance.now() + 0.02; performance.now() < end; );
      }
    };
    await expect(within(SOON, 'abort', read())).rejects.toBe(reason);
    expect(taken).toBeLessThan(5_000);
  });

  test('that is left early ends its source', async () => {
    const stream = new PassThrough();
    stream.write(Buffer.concat(Array.from({ length: 600 }, (_, index) => file(`f${index}`))));
    const closed = once(stream, 'close');
    const read = async () => {
      for await (const { operation } of planLayer(stream)) {
        expect(operation.op).toBe('file');
        break;
      }
    };
    await within(SOON, 'the plan', read());
    await within(SOON, 'the source', closed);
  });
});
