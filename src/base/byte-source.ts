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

/** A source that can be let go while it is still asked for its next bytes. */
export interface SourceReader {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: Uint8Array | undefined }>;
  /** Nobody listens any more; does not wait for the source to hear. */
  cancel(reason?: unknown): void;
}

export function readSource(source: ByteSource): SourceReader {
  if (isReadableStream(source)) {
    // Its iterator would cancel only after the bytes that may never come.
    const reader = source.getReader();
    return { next: () => reader.read(), cancel: (reason) => void reader.cancel(reason).catch(() => {}) };
  }
  const iterator = iterateSource(source);
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return { done, value: value ?? undefined };
    },
    cancel() {
      iterator.return().catch(() => {});
      const { destroy } = source as { destroy?: () => void };
      if (typeof destroy === 'function') destroy.call(source);
    },
  };
}

/** For a source that nobody will read: what it holds open is let go. */
export function letGo(source: ByteSource): void {
  if (isReadableStream(source) && source.locked) return; // whoever reads it has cancelled it
  readSource(source).cancel();
}

function isReadableStream(source: ByteSource): source is ReadableStream<Uint8Array> {
  return typeof (source as { getReader?: unknown }).getReader === 'function';
}
