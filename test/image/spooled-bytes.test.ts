import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Ingest } from '../../src/content/content-store.js';
import { SpooledBytes } from '../../src/image/pull/spooled-bytes.js';
import { SupplyWatch } from '../../src/image/pull/supply-watch.js';
import type { Descriptor } from '../../src/oci/descriptor.js';
import { failureOf } from '../helpers/sandbox.js';
import { TestStore } from './use-store.js';

const MEMORY = 4 * 1024 ** 2;
const BLOB = randomBytes(3 * MEMORY + 1234);
const DESCRIPTOR: Descriptor = {
  mediaType: 'application/octet-stream',
  digest: `sha256:${'0'.repeat(64)}`,
  size: BLOB.length,
};

const box = new TestStore();

/** The blob from an offset on, in lent chunks: the memory of each is overwritten when the next one is requested. */
async function* lent(offset: number, end = BLOB.length, most = 70_000): AsyncGenerator<Uint8Array> {
  const memory = Buffer.alloc(most);
  for (let at = offset; at < end; ) {
    const length = Math.min(1 + Math.floor(Math.random() * most), end - at);
    BLOB.copy(memory, 0, at, at + length);
    yield memory.subarray(0, length);
    memory.fill(0x55);
    at += length;
  }
}

interface Spooling {
  readonly ingest: Ingest;
  readonly spooled: SpooledBytes;
}

/** @param earlier bytes of the blob that the ingest has already */
async function spooling<T>(
  earlier: number,
  source: AsyncIterable<Uint8Array>,
  use: (spooling: Spooling) => Promise<T>,
  runsAhead = true,
): Promise<T> {
  await using ingest = await box.store.content.openIngest('blob', { size: BLOB.length });
  if (earlier > 0) await ingest.write(BLOB.subarray(0, earlier));
  using watch = new SupplyWatch(() => {});
  const spooled = new SpooledBytes(DESCRIPTOR, source, { ingest, watch, runsAhead });
  try {
    return await use({ ingest, spooled });
  } finally {
    await spooled.leave();
  }
}

const copyOf = ({ value }: IteratorResult<Uint8Array, void>) => Buffer.from(value ?? []);

test('the source is read to its end while the bytes of an earlier pull are read again', async () => {
  await spooling(2_000_000, lent(2_000_000), async ({ ingest, spooled }) => {
    const reader = spooled[Symbol.asyncIterator]();
    const read = [copyOf(await reader.next())];
    expect(read[0]!.length).toBeLessThan(2_000_000);
    await spooled.written();
    expect(ingest.offset).toBe(BLOB.length);
    for await (const chunk of reader) read.push(Buffer.from(chunk));
    expect(Buffer.concat(read).equals(BLOB)).toBe(true);
  });
});

test('the source is read to its end while the reader is busy with its first bytes', async () => {
  await spooling(0, lent(0), async ({ ingest, spooled }) => {
    const reader = spooled[Symbol.asyncIterator]();
    const { value } = await reader.next();
    await spooled.written();
    expect(ingest.offset).toBe(BLOB.length);
    expect(BLOB.subarray(0, value!.length).equals(value!)).toBe(true); // not overwritten
    const read = [copyOf({ value: value! })];
    for await (const chunk of reader) read.push(Buffer.from(chunk));
    expect(Buffer.concat(read).equals(BLOB)).toBe(true);
  });
});

test('a local source waits for a reader that is behind by more than the memory', async () => {
  let read = 0;
  async function* source() {
    for await (const chunk of lent(0)) {
      read += chunk.length;
      yield chunk;
    }
  }
  const bytes = await spooling(
    0,
    source(),
    async ({ spooled }) => {
      const chunks: Buffer[] = [];
      let consumed = 0;
      for await (const chunk of spooled) {
        expect(read - consumed).toBeLessThanOrEqual(MEMORY + 70_000);
        consumed += chunk.length;
        chunks.push(Buffer.from(chunk));
      }
      return Buffer.concat(chunks);
    },
    false,
  );
  expect(bytes.equals(BLOB)).toBe(true);
});

test.each([0, 1, 5_000_000])(
  'a reader of any pace gets the bytes that the ingest gets, from %i on',
  async (earlier) => {
    await spooling(earlier, lent(earlier), async ({ ingest, spooled }) => {
      const chunks: Buffer[] = [];
      for await (const chunk of spooled) {
        if (Math.random() < 0.3) await spooled.written();
        chunks.push(Buffer.from(chunk));
      }
      await spooled.written();
      expect(Buffer.concat(chunks).equals(BLOB)).toBe(true);
      expect(readFileSync(ingest.path).equals(BLOB)).toBe(true);
    });
  },
);

describe('a source that', () => {
  test('fails is reported at once, and its bytes are kept', async () => {
    const failure = new Error('gone');
    async function* source() {
      yield* lent(2_000_000, 3_000_000);
      throw failure;
    }
    await spooling(2_000_000, source(), async ({ ingest, spooled }) => {
      const reader = spooled[Symbol.asyncIterator]();
      await reader.next();
      await expect(spooled.written()).rejects.toBe(failure);
      await expect(reader.next()).rejects.toBe(failure);
      await spooled.leave();
      expect(ingest.offset).toBe(3_000_000);
    });
  });

  test('sends too much is refused', async () => {
    async function* source() {
      yield* lent(0);
      yield new Uint8Array(1);
    }
    await spooling(0, source(), async ({ spooled }) => {
      expect((await failureOf(spooled.written())).code).toBe('DataLoss');
    });
  });

  test('is left keeps the bytes that came', async () => {
    let came = () => {};
    const coming = new Promise<void>((resolve) => (came = resolve));
    async function* source() {
      yield* lent(0, 1_000_000);
      came();
      await new Promise(() => {});
    }
    await spooling(0, source(), async ({ ingest, spooled }) => {
      await coming;
      await spooled.leave();
      expect(ingest.offset).toBe(1_000_000);
    });
  });
});
