import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { CommitIngestOptions, Ingest } from '../../src/content/content-store.js';
import { OverlayerError } from '../../src/index.js';
import { Model, type Step } from './model.js';
import { collect, digestOf, readAll, useContent } from './use-content.js';

const content = useContent();

const ref = fc.constantFrom('r', 's');
const lease = fc.constantFrom('l', 'm');
/** All beginnings of one another, so that what is written can be what is expected. */
const text = fc.constantFrom('', 'a', 'ab', 'abc');
const chunk = fc.constantFrom('a', 'b', 'c', 'bc');
const labels = fc.dictionary(fc.constantFrom('x', 'y.z'), fc.constantFrom('1', '2'), {
  noNullPrototype: true,
});
const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 2 });

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('put' as const), text, labels }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('open' as const), ref, text: maybe(text), sized: fc.boolean() },
      sizeIs: fc.constantFrom('limit', 'hint'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('write' as const), ref, text: chunk }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), ref, length: fc.nat(4) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      ...{ do: fc.constant('commit' as const), ref, text: maybe(text) },
      ...{ labels, hashed: fc.boolean(), existing: fc.constantFrom('replace', 'refuse') },
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('close' as const, 'abort' as const), ref }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), text }) },
  {
    weight: 1,
    arbitrary: fc.record({
      ...{ do: fc.constant('update' as const), text, labels },
      name: maybe(fc.constantFrom('x', 'y.z')),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('lease' as const, 'release' as const), lease }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('hold' as const, 'let go' as const), lease, text }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('hold ingest' as const), lease, ref }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('sweep' as const), marked: fc.subarray(['a', 'abc']) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
) satisfies fc.Arbitrary<Step>;

/** The same steps on a store. */
class Real {
  readonly #writers = new Map<string, Ingest>();

  async step(step: Step): Promise<string> {
    try {
      await this.#do(step);
      return 'ok';
    } catch (error) {
      if (OverlayerError.is(error)) return error.code;
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const writer of this.#writers.values()) await writer.close();
    this.#writers.clear();
  }

  async #do(step: Step): Promise<unknown> {
    const { store } = content;
    switch (step.do) {
      case 'put':
        return await content.put(step.text, { labels: step.labels });
      case 'open': {
        const digest = step.text === undefined ? undefined : digestOf(step.text);
        const size = step.sized ? step.text?.length : undefined;
        this.#writers.set(step.ref, await store.openIngest(step.ref, { digest, size, sizeIs: step.sizeIs }));
        return;
      }
      case 'write':
        return await this.#writer(step.ref).write(Buffer.from(step.text));
      case 'truncate':
        return await this.#writer(step.ref).truncate(step.length);
      case 'commit':
        return await this.#commit(step);
      case 'close':
        return await this.#writers.get(step.ref)?.close();
      case 'abort':
        return await store.abort(step.ref);
      case 'delete':
        return await store.delete(digestOf(step.text));
      case 'update': {
        const paths = step.name === undefined ? [] : [`labels.${step.name}`];
        return await store.update(digestOf(step.text), { labels: step.labels }, { fieldpaths: paths });
      }
      case 'lease':
        return await store.leases.create({ id: step.lease });
      case 'release':
        return await store.leases.delete(step.lease);
      case 'hold':
        return await store.leases.add(step.lease, { type: 'content', id: digestOf(step.text) });
      case 'let go':
        return await store.leases.remove(step.lease, { type: 'content', id: digestOf(step.text) });
      case 'hold ingest':
        return await store.leases.add(step.lease, { type: 'ingest', id: step.ref });
      case 'sweep': {
        const marked = new Set(step.marked.map(digestOf));
        return await store.sweep(async () => (digest) => marked.has(digest));
      }
      case 'reopen':
        await this.close();
        return await content.reopen();
      default:
        return step satisfies never;
    }
  }

  async #commit({ ref, text, labels, hashed, existing }: Extract<Step, { do: 'commit' }>): Promise<void> {
    const writer = this.#writer(ref);
    const options: CommitIngestOptions = {
      digest: text === undefined ? undefined : digestOf(text),
      ...{ labels, existing },
      hashed: hashed ? digestOf(await this.#read(writer)) : undefined,
    };
    await writer.commit(options);
  }

  /** By whoever hashes what is in the file. */
  async #read(writer: Ingest): Promise<Uint8Array> {
    return await readFile(writer.path).catch(() => new Uint8Array());
  }

  #writer(ref: string): Ingest {
    const writer = this.#writers.get(ref);
    if (writer === undefined) throw new OverlayerError('FailedPrecondition', 'not open');
    return writer;
  }
}

/** All that can be seen of a store. */
async function stateOf(): Promise<unknown> {
  const { store } = content;
  const blobs = await Promise.all(
    (await collect(store.walk())).map(
      async ({ digest, labels }) => [digest, await readAll(store.read(digest)), labels] as const,
    ),
  );
  const ingests = (await store.ingests()).map(({ ref, offset, size }) => [ref, offset, size] as const);
  const leases = await Promise.all(
    (await store.leases.list()).map(async ({ id }) => {
      const held = await store.leases.resources(id);
      return [id, held.map(({ type, id }) => `${type} ${id}`).sort()] as const;
    }),
  );
  return { blobs, ingests, leases };
}

function expectedOf({ blobs, ingests, leases }: Model): unknown {
  const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => (a < b ? -1 : 1);
  return {
    blobs: [...blobs].sort(byName).map(([digest, { text, labels }]) => [digest, text, labels]),
    ingests: [...ingests].sort(byName).map(([ref, { text, size }]) => [ref, text.length, size]),
    leases: [...leases].sort(byName).map(([id, held]) => [id, [...held].sort()]),
  };
}

async function empty(): Promise<void> {
  const { store } = content;
  for (const { id } of await store.leases.list()) await store.leases.delete(id);
  for (const { ref } of await store.ingests()) await store.abort(ref);
  await store.sweep(async () => () => false);
}

test('a store does what its model does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const [model, real] = [new Model(), new Real()];
      try {
        for (const step of steps) {
          expect(await real.step(step), JSON.stringify(step)).toBe(model.step(step));
          expect(await stateOf()).toEqual(expectedOf(model));
        }
      } finally {
        await real.close();
        await empty();
      }
    }),
    { numRuns: 50 },
  );
});
