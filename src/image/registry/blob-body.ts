import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Lent } from '../source/blob-bytes.js';
import type { HttpResponse } from './http/http-response.js';
import { PassingFailure, type Retries } from './http/retries.js';
import type { Operation } from './repository.js';

/** Bytes of a blob from `start` up to, not including, `end`. */
interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * Reads the `Content-Range` of a response with status 206 (RFC 9110, 14.4). Undefined when it is missing or malformed, or
 * contradicts the length of the response or the blob.
 */
export function contentRange(response: HttpResponse, size: number): Part | undefined {
  const pattern = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/;
  const [, first, last, total] = pattern.exec(response.header('content-range') ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  const [start, end] = [Number(first), Number(last) + 1];
  const isRight = start < end && end <= size && (total === '*' || Number(total) === size);
  return isRight && (response.length ?? end - start) === end - start ? { start, end } : undefined;
}

/** A connection that breaks after this many bytes resets the count of retries. */
const PROGRESS_BYTES = 1024 ** 2;

/** Requests a blob from an offset on; the response may begin before it. */
type OpenAt = (offset: number) => Promise<BlobResponse>;

export interface BlobResponse {
  readonly response: HttpResponse;
  /** The part of the blob in the response. */
  readonly part: Part;
}

/**
 * The bytes of a blob. When a response breaks off, another request continues it. The body fails at the first byte beyond
 * the descriptor's size.
 *
 * @throws OverlayerError while they are read: `Unavailable`; `DataLoss` when the blob is larger than its descriptor says
 */
export class BlobBody implements Lent {
  readonly #blob: Descriptor;
  readonly #openAt: OpenAt;
  readonly #retries: Retries;
  readonly #signal: AbortSignal;
  #current: BlobResponse | undefined;
  /** Offset of the reader's next byte. */
  #at: number;
  #isLetGo = false;

  constructor(
    blob: Descriptor,
    first: BlobResponse,
    openAt: OpenAt,
    { retries, signal }: Pick<Operation, 'retries' | 'signal'>,
  ) {
    this.#blob = blob;
    this.#current = first;
    this.#at = first.part.start;
    this.#openAt = openAt;
    this.#retries = retries;
    this.#signal = signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      while (this.#at < this.#blob.size || this.#current !== undefined) {
        try {
          yield* this.#rest(this.#current ?? (await this.#openAt(this.#at)));
        } catch (error) {
          if (this.#isLetGo) return;
          await this.#retries.wait(error, this.#signal);
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
    const { response, part } = current;
    // The response came after `destroy`: reading it fails.
    if (this.#isLetGo) response.destroy();
    const { size } = this.#blob;
    let from = part.start;
    if (from + (response.length ?? 0) > size) throw this.#endsLate(response);
    let progress = 0;
    for await (const chunk of response.chunks()) {
      const fresh = chunk.subarray(Math.min(Math.max(this.#at - from, 0), chunk.length));
      from += chunk.length;
      if (from > size) throw this.#endsLate(response);
      this.#at += fresh.length;
      progress += fresh.length;
      if (progress >= PROGRESS_BYTES) this.#retries.reset();
      if (fresh.length > 0) yield fresh;
    }
    // A server may send and announce a shorter part: the next part is requested.
    const isPart = from === part.end && progress >= PROGRESS_BYTES;
    if (this.#at < size && !isPart) throw new PassingFailure(this.#endsEarly(response));
  }

  #endsLate({ url }: HttpResponse): OverlayerError {
    const { size, digest } = this.#blob;
    return new OverlayerError('DataLoss', `${url.host} sends more than the ${size} bytes of ${digest}`);
  }

  #endsEarly({ url }: HttpResponse): OverlayerError {
    const { size, digest } = this.#blob;
    const message = `${url.host} ends after ${this.#at} of the ${size} bytes of ${digest}`;
    return new OverlayerError('Unavailable', message);
  }
}
