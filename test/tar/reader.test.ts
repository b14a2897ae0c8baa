import { createReadStream, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTar, type TarEntryReader } from '../../src/tar/index.js';
import { SPARSE_FORMATS, sparseContent } from '../helpers/sparse-members.js';
import { dir, file, member, tar } from '../helpers/tar-builder.js';

const FIXTURE = new URL('../../fixtures/tars/gnu-posix.tar', import.meta.url);

async function text({ body }: TarEntryReader): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body()) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString('latin1');
}

async function namesOf(entries: AsyncIterable<TarEntryReader>): Promise<string[]> {
  const names: string[] = [];
  for await (const { entry } of entries) names.push(entry.path);
  return names;
}

const three = tar(file('a', 'first'), file('b', 'x'.repeat(200_000)), file('c', 'third'));

describe('sources', () => {
  const bytes = readFileSync(FIXTURE);
  const expected = namesOf(readTar(bytes));

  test.each([
    ['a Buffer', () => bytes],
    ['a Uint8Array', () => Uint8Array.from(bytes)],
    ['an array of chunks', () => [bytes.subarray(0, 700), bytes.subarray(700)]],
    ['a Readable', () => createReadStream(FIXTURE)],
    ['a web ReadableStream', () => new Blob([bytes]).stream()],
  ])('%s', async (_what, source) => {
    expect((await expected).length).toBeGreaterThan(8);
    expect(await namesOf(readTar(source()))).toEqual(await expected);
  });
});

describe('bodies', () => {
  test('are read in full', async () => {
    const bodies: string[] = [];
    for await (const entry of readTar(three)) bodies.push(await text(entry));
    expect(bodies).toEqual(['first', 'x'.repeat(200_000), 'third']);
  });

  test('that nobody reads are passed over', async () => {
    expect(await namesOf(readTar(three))).toEqual(['a', 'b', 'c']);
  });

  test('that are read in part are passed over from there', async () => {
    const seen: string[] = [];
    for await (const { entry, body } of readTar(three)) {
      seen.push(entry.path);
      for await (const chunk of body()) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
    }
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  test.each(Object.entries(SPARSE_FORMATS))('holes are zeros: %s', async (_format, sparse) => {
    const islands = [
      [100_000, 'island'],
      [250_000, 'last'],
    ] as const;
    const bodies: string[] = [];
    for await (const entry of readTar(tar(sparse('s', 300_000, islands), file('next', 'n'))))
      bodies.push(await text(entry));
    expect(bodies).toEqual([sparseContent(300_000, islands), 'n']);
  });

  test('of a directory there is none', async () => {
    for await (const entry of readTar(tar(dir('d')))) expect(await text(entry)).toBe('');
  });
});

describe('failures', () => {
  const broken = Buffer.concat([file('good', 'x'), member({ name: 'bad', checksum: 0 })]);

  test('an entry that cannot be read: those before it come first, however the bytes are cut', async () => {
    for (const step of [broken.length, 512, 100]) {
      const seen: string[] = [];
      const read = async () => {
        for await (const { entry } of readTar(pieces(broken, step))) seen.push(entry.path);
      };
      await expect(read()).rejects.toMatchObject({ code: 'InvalidArgument', offset: 1024 });
      expect(seen, `pieces of ${step} bytes`).toEqual(['good']);
    }
  });

  test('a body that is cut off', async () => {
    const read = async () => {
      for await (const entry of readTar(three.subarray(0, 100_000))) await text(entry);
    };
    await expect(read()).rejects.toMatchObject({ code: 'DataLoss', entry: 'b' });
  });

  test('a limit', async () => {
    await expect(namesOf(readTar(three, { limits: { maxEntries: 2 } }))).rejects.toMatchObject({
      code: 'ResourceExhausted',
      entry: 'c',
    });
  });

  test('a source that fails: its error as it is', async () => {
    const failure = new Error('line is down');
    const source = (async function* () {
      yield three.subarray(0, 1000);
      throw failure;
    })();
    await expect(namesOf(readTar(source))).rejects.toBe(failure);
  });

  test('a signal: its reason as it is', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const seen: string[] = [];
    const read = async () => {
      for await (const { entry } of readTar(pieces(three, 1000), { signal: controller.signal })) {
        seen.push(entry.path);
        controller.abort(reason);
      }
    };
    await expect(read()).rejects.toBe(reason);
    expect(seen).toEqual(['a']);
  });
});

test('leaving early ends the source', async () => {
  let ended = false;
  async function* source() {
    try {
      for (;;) yield file('again', 'x');
    } finally {
      ended = true;
    }
  }
  for await (const { entry } of readTar(source())) {
    expect(entry.path).toBe('again');
    break;
  }
  expect(ended).toBe(true);
});

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
