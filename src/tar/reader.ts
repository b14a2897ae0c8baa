import type { AbortableOptions } from '../base/abort.js';
import { type ByteSource, iterateSource } from '../base/byte-source.js';
import { checkOptions, type OptionNames } from '../base/check-arguments.js';
import type { Limits } from '../base/limits.js';
import { TarDecoder } from './decoder.js';
import type { TarEntry } from './types.js';

export interface ReadTarOptions extends AbortableOptions {
  readonly limits?: Partial<Limits> | undefined;
}

const READ_TAR_OPTIONS = {
  signal: true,
  limits: 'object',
} satisfies OptionNames<ReadTarOptions>;

/** An entry and its data. */
export interface TarEntryReader {
  readonly entry: TarEntry;
  /** The entry's bytes in order, with holes as zeros. Read it before the next entry is requested, or not at all. */
  body(): AsyncGenerator<Uint8Array, void, void>;
}

type Event =
  | { readonly type: 'entry'; readonly entry: TarEntry }
  | { readonly type: 'data'; readonly bytes: Uint8Array; readonly position: number }
  | { readonly type: 'end' };

const HOLE_CHUNK = new Uint8Array(64 * 1024);

/**
 * Yields the entries of an uncompressed archive in order. Bodies that are not read are skipped. Holds one chunk of the source
 * in memory.
 *
 * @throws OverlayerError as `TarDecoder`
 */
export async function* readTar(
  source: ByteSource,
  options: ReadTarOptions = {},
): AsyncGenerator<TarEntryReader, void, void> {
  checkOptions('readTar', options, READ_TAR_OPTIONS);
  const events = decodeEvents(source, options);
  for await (const event of events) {
    if (event.type !== 'entry') continue; // the rest of a body that was not read to its end
    const { entry } = event;
    yield { entry, body: () => readBody(entry, events) };
  }
}

async function* readBody(
  entry: TarEntry,
  events: AsyncGenerator<Event, void, void>,
): AsyncGenerator<Uint8Array, void, void> {
  let position = 0;
  for (;;) {
    const { value: event, done } = await events.next();
    if (done || event.type === 'entry') return;
    if (event.type === 'end') break;
    yield* zeros(event.position - position);
    yield event.bytes;
    position = event.position + event.bytes.length;
  }
  yield* zeros(entry.size - position);
}

function* zeros(length: number): Generator<Uint8Array, void, void> {
  for (let left = length; left > 0; left -= HOLE_CHUNK.length)
    yield HOLE_CHUNK.subarray(0, Math.min(left, HOLE_CHUNK.length));
}

async function* decodeEvents(source: ByteSource, options: ReadTarOptions): AsyncGenerator<Event, void, void> {
  let events: Event[] = [];
  const decoder = new TarDecoder(
    {
      entry: (entry) => events.push({ type: 'entry', entry }),
      data: (bytes, start, end, position) =>
        events.push({ type: 'data', bytes: bytes.subarray(start, end), position }),
      entryEnd: () => events.push({ type: 'end' }),
    },
    options.limits,
  );
  for await (const chunk of iterateSource(source)) {
    options.signal?.throwIfAborted();
    // Small steps keep the list of events short for large chunks.
    for (let at = 0; at < chunk.length; at += 65536) {
      let failure: unknown;
      try {
        decoder.write(chunk, at, Math.min(at + 65536, chunk.length));
      } catch (error) {
        failure = error;
      }
      // Events before an error are yielded first, independent of the size of chunks.
      yield* events;
      events = [];
      if (failure !== undefined) throw failure;
    }
  }
  decoder.end();
}
