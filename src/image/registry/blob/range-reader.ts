import { OverlayerError } from '../../../base/errors.js';
import type { Descriptor } from '../../../oci/descriptor.js';
import type { HttpResponse } from '../http/http-response.js';
import { PassingFailure, type Retries } from '../http/retries.js';

/** Bytes of a blob from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface BlobResponse {
  readonly response: HttpResponse;
  /** The range of the blob in the response. */
  readonly range: Range;
}

/** A connection that breaks after this many bytes resets the count of retries. */
const PROGRESS_BYTES = 1024 ** 2;

interface ReadRangeOptions {
  readonly blob: Descriptor;
  /** The range to read. */
  readonly range: Range;
  /** A response that has the first bytes of the range. @default it is requested */
  readonly first?: BlobResponse | undefined;
  /** Requests the range from an offset on; the response may begin before it. */
  readonly openAt: (offset: number) => Promise<BlobResponse>;
  readonly retries: Retries;
  readonly signal: AbortSignal;
}

/**
 * A range of a blob, one response after the other. When a response breaks off, another request continues it. The range
 * fails at the first byte beyond the descriptor's size.
 *
 * @throws OverlayerError while it is read: `Unavailable`; `DataLoss` when the blob is larger than its descriptor says
 */
export class RangeReader {
  readonly #options: ReadRangeOptions;
  #current: BlobResponse | undefined;
  /** Offset of the reader's next byte. */
  #at: number;
  #isLetGo = false;
  #receivesSinceMs = Infinity;

  constructor(options: ReadRangeOptions) {
    this.#options = options;
    this.#current = options.first;
    this.#at = options.range.start;
  }

  /** When the current response began, on the clock of `performance.now()`. Infinity while a response is awaited. */
  get receivesSinceMs(): number {
    return this.#receivesSinceMs;
  }

  /** Chunks of the range. Each stays valid until the next one is requested. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const { range, openAt, retries, signal } = this.#options;
    try {
      while (this.#at < range.end || this.#current !== undefined) {
        try {
          yield* this.#rest(this.#current ?? (await openAt(this.#at)));
        } catch (error) {
          if (this.#isLetGo) return;
          this.#receivesSinceMs = Infinity;
          await retries.wait(error, signal);
        }
        this.#current = undefined;
      }
    } finally {
      this.destroy();
    }
  }

  /** No consumer reads on. */
  destroy(): void {
    this.#isLetGo = true;
    this.#current?.response.destroy();
  }

  async *#rest(current: BlobResponse): AsyncGenerator<Uint8Array, void, void> {
    this.#current = current;
    this.#receivesSinceMs = performance.now();
    const { response, range: sent } = current;
    // The response came after `destroy`: reading it fails.
    if (this.#isLetGo) response.destroy();
    const { blob, range, retries } = this.#options;
    let from = sent.start;
    if (from + (response.length ?? 0) > blob.size) throw this.#endsLate(response);
    let progress = 0;
    for await (const chunk of response.chunks()) {
      const skipped = Math.min(Math.max(this.#at - from, 0), chunk.length);
      const fresh = chunk.subarray(skipped, Math.max(skipped, range.end - from));
      from += chunk.length;
      if (from > blob.size) throw this.#endsLate(response);
      this.#at += fresh.length;
      progress += fresh.length;
      if (progress >= PROGRESS_BYTES) retries.reset();
      if (fresh.length > 0) yield fresh;
      // A server may ignore the end of a range.
      if (this.#at === range.end && sent.end > range.end) return;
    }
    // A server may send and announce a shorter part: the next part is requested.
    const isPart = from === sent.end && progress >= PROGRESS_BYTES;
    if (this.#at < range.end && !isPart) throw new PassingFailure(this.#endsEarly(response));
  }

  #endsLate({ url }: HttpResponse): OverlayerError {
    const { size, digest } = this.#options.blob;
    return new OverlayerError('DataLoss', `${url.host} sends more than the ${size} bytes of ${digest}`);
  }

  #endsEarly({ url }: HttpResponse): OverlayerError {
    const { size, digest } = this.#options.blob;
    const message = `${url.host} ends after ${this.#at} of the ${size} bytes of ${digest}`;
    return new OverlayerError('Unavailable', message);
  }
}
