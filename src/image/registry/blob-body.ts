import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import type { Lent } from '../source/blob-bytes.js';
import type { HttpResponse } from './http/http-response.js';
import { PassingFailure, type Retries } from './http/retries.js';
import type { Operation } from './repository.js';

/** Bytes of a blob: from `start` to before `end`. */
interface Part {
  readonly start: number;
  readonly end: number;
}

/**
 * The part that an answer with status 206 says that it is (RFC 9110, 14.4); undefined where that is nothing, or
 * contradicts the length of the answer, or that of the blob.
 */
export function contentRange(response: HttpResponse, size: number): Part | undefined {
  const pattern = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/;
  const [, first, last, total] = pattern.exec(response.header('content-range') ?? '') ?? [];
  if (first === undefined || last === undefined) return undefined;
  const [start, end] = [Number(first), Number(last) + 1];
  const isRight = start < end && end <= size && (total === '*' || Number(total) === size);
  return isRight && (response.length ?? end - start) === end - start ? { start, end } : undefined;
}

/** A server that breaks off after this much is met with patience, one that does at every byte is not. */
const PROGRESS_BYTES = 1024 ** 2;

/** Asks for a blob's bytes from an offset on; the answer may begin before it. */
type OpenAt = (offset: number) => Promise<BlobResponse>;

export interface BlobResponse {
  readonly response: HttpResponse;
  /** What it has of the blob. */
  readonly part: Part;
}

/**
 * A blob's bytes as they come. Where they break off they go on, by another request; one byte more than the
 * descriptor has, and they end.
 *
 * @throws OverlayerError while they are read: `Unavailable`; `DataLoss` when there are more than the descriptor says
 */
export class BlobBody implements Lent {
  readonly #blob: Descriptor;
  readonly #openAt: OpenAt;
  readonly #retries: Retries;
  readonly #signal: AbortSignal;
  #current: BlobResponse | undefined;
  /** Of the next byte for the reader. */
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

  /** Nobody reads it, or any more. */
  destroy(): void {
    this.#isLetGo = true;
    this.#current?.response.destroy();
  }

  async *#rest(current: BlobResponse): AsyncGenerator<Uint8Array, void, void> {
    this.#current = current;
    const { response, part } = current;
    // It came too late: what is read of it now is an error.
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
    // A server may give less than it was asked for, and say so: it is asked for the next part.
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
