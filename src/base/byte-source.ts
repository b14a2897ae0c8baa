import type { ReadableStream } from 'node:stream/web';

/** Anything bytes come from: one buffer, a Node stream, a generator, an HTTP body. */
export type ByteSource =
  | Uint8Array
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** One way to loop over all of them. A Node `Readable` and a web `ReadableStream` are async iterables. */
export async function* iterateSource(source: ByteSource): AsyncGenerator<Uint8Array, void, void> {
  if (source instanceof Uint8Array) yield source;
  else yield* source as AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}
