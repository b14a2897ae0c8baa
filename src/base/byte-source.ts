import type { Readable } from 'node:stream';
import { finished } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { describe } from './check-arguments.js';
import { OverlayerError } from './errors.js';

/** The forms of a source that are read as they are. */
export type OpenedBytes =
  | Uint8Array
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/**
 * Anything that bytes come from: a buffer, a `Blob` or `File`, a Node stream, a web stream, the body of a `Response` or
 * `Request`, or an iterable of chunks. It is read once.
 */
export type ByteSource =
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Response
  | Request
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | ReadableStream<Uint8Array>;

/** The treatment of a source that is not read to its end: `destroy` ends it, `leave` keeps it open. */
export type UnreadSource = 'destroy' | 'leave';

/** A source that can be given up while the next bytes are awaited. */
export interface SourceReader {
  next(): Promise<{ readonly done?: boolean | undefined; readonly value?: Uint8Array | undefined }>;
  /** Stops reading, also where `next` still waits, which may then wait for ever. */
  cancel(reason?: unknown): void;
}

/**
 * Finds the bytes of a source, and reads nothing.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: not a source, or its body is missing or was read
 *   - `NotFound`, `Unavailable`: an HTTP response with that status
 */
export function openBytes(source: ByteSource): OpenedBytes {
  if (source instanceof Uint8Array) return source;
  // Also those of another realm (Jest), for which `instanceof` is false.
  if (ArrayBuffer.isView(source)) {
    const { buffer, byteOffset, byteLength } = source as ArrayBufferView;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  if (isArrayBuffer(source)) return new Uint8Array(source);
  if (typeof source !== 'object' || source === null) throw notBytes(source);
  if (isNodeStream(source)) checkUnread(source);
  // Streams are checked before `body`: a request of an HTTP framework is a stream, and its `body` has another meaning.
  if (isReadableStream(source) || Symbol.asyncIterator in source || Symbol.iterator in source) return source;
  if ('stream' in source && typeof source.stream === 'function') return source.stream() as OpenedBytes;
  if ('body' in source) return bodyOf(source);
  throw notBytes(source);
}

/** Otherwise a stream that another reader has emptied would count as a source of no bytes. */
function checkUnread({ readableEnded, destroyed, errored }: Readable): void {
  if (errored) return; // its reader reports the error
  if (readableEnded)
    throw new OverlayerError('InvalidArgument', 'Cannot read the source: the stream was read already', {
      hint: 'the body of an HTTP request can be read from the request unless a parser has read it',
    });
  if (destroyed)
    throw new OverlayerError('InvalidArgument', 'Cannot read the source: the stream was destroyed already');
}

/** Loops over a source of any form. */
export async function* iterateSource(source: ByteSource): AsyncGenerator<Uint8Array, void, void> {
  const bytes = openBytes(source);
  if (bytes instanceof Uint8Array) yield bytes;
  else yield* bytes as AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** @throws OverlayerError as `openBytes`; `InvalidArgument`: another reader has the stream */
export function readSource(source: ByteSource, unread: UnreadSource = 'destroy'): SourceReader {
  return readOpened(openBytes(source), unread);
}

function readOpened(bytes: OpenedBytes, unread: UnreadSource): SourceReader {
  if (isReadableStream(bytes)) return readWebStream(bytes, unread);
  if (isNodeStream(bytes)) return readNodeStream(bytes, unread);
  const iterator = iterateSource(bytes);
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return { done, value: value ?? undefined };
    },
    cancel() {
      if (unread === 'leave') return;
      iterator.return().catch(() => {});
      const { destroy } = bytes as { destroy?: () => void };
      if (typeof destroy === 'function') destroy.call(bytes);
    },
  };
}

/** Frees what a source holds that is not going to be read. */
export function closeSource(source: ByteSource, unread: UnreadSource = 'destroy'): void {
  if (unread === 'leave') return;
  // A stream that has failed has nothing to open.
  const bytes = typeof source === 'object' && isNodeStream(source) ? source : openBytes(source);
  if (isReadableStream(bytes) && bytes.locked) return; // its reader has cancelled it
  readOpened(bytes, 'destroy').cancel();
}

/** Cancels a stream directly. Its iterator would cancel only after the next bytes, which may never come. */
function readWebStream(stream: ReadableStream<Uint8Array>, unread: UnreadSource): SourceReader {
  if (stream.locked)
    throw new OverlayerError(
      'InvalidArgument',
      'Cannot read the source: another reader has locked the stream',
    );
  const reader = stream.getReader();
  return {
    next: () => reader.read(),
    cancel(reason) {
      if (unread === 'leave') reader.releaseLock();
      else reader.cancel(reason).catch(() => {});
    },
  };
}

/**
 * Reads as the stream's iterator does, but can stop while it waits for bytes. The iterator would then take the next
 * bytes away from the stream's next reader, or keep them from flowing.
 */
function readNodeStream(stream: Readable, unread: UnreadSource): SourceReader {
  let wake = () => {};
  /** Undefined until the stream ends, and null if it ends without an error. */
  let end: Error | null | undefined;
  const onReadable = () => wake();
  stream.on('readable', onReadable);
  const unwatch = finished(stream, { writable: false }, (error) => {
    end = error ?? null;
    wake();
  });
  return {
    async next() {
      for (;;) {
        const value: Uint8Array | null = stream.destroyed ? null : stream.read();
        if (value !== null) return { value };
        if (end) throw end;
        if (end === null) return { done: true };
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    cancel() {
      stream.off('readable', onReadable);
      if (unread === 'leave') unwatch();
      else stream.destroy();
    },
  };
}

/** @throws OverlayerError */
function bodyOf(message: Response | Request): OpenedBytes {
  const { ok, status, statusText, url } = message as Partial<Response>;
  if (ok === false)
    throw new OverlayerError(
      status === 404 ? 'NotFound' : 'Unavailable',
      `Cannot read the response of "${url}": its status is ${status} ${statusText}`.trimEnd(),
    );
  const { body, bodyUsed } = message;
  if (bodyUsed)
    throw new OverlayerError('InvalidArgument', 'Cannot read the source: its body was read already');
  if (typeof body !== 'object' || body === null)
    throw new OverlayerError('InvalidArgument', 'Cannot read the source: it has no body');
  return openBytes(body as ByteSource);
}

function notBytes(source: unknown): OverlayerError {
  return new OverlayerError(
    'InvalidArgument',
    `Cannot read bytes: the argument "source" is ${describe(source)}`,
    {
      hint:
        source === undefined || source === null
          ? 'the body of an HTTP request is read from the request itself, unless a parser has read it'
          : 'give a buffer, a stream, a Blob, a Response, or an iterable of chunks',
    },
  );
}

function isReadableStream(source: object): source is ReadableStream<Uint8Array> {
  return typeof (source as { getReader?: unknown }).getReader === 'function';
}

function isNodeStream(source: object): source is Readable {
  const { read, on, destroy } = source as Partial<Readable>;
  return [read, on, destroy].every((method) => typeof method === 'function');
}

function isArrayBuffer(source: unknown): source is ArrayBuffer {
  return Object.prototype.toString.call(source) === '[object ArrayBuffer]';
}
