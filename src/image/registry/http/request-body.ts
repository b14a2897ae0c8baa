import { getDefaultHighWaterMark } from 'node:stream';
import { readSource, type SourceReader } from '../../../base/byte-source.js';
import { OverlayerError } from '../../../base/errors.js';
import { SupplyWatch } from '../../pull/supply-watch.js';
import { bytesOf } from '../../source/blob-bytes.js';
import type { OpenBlob } from '../../source/image-source.js';

/**
 * A socket accepts a chunk of this size only when it has sent all of it, so the chunk's memory can be filled again. Larger
 * chunks would hide the progress of a slow connection.
 */
const PIECE_BYTES = Math.max(64 * 1024, getDefaultHighWaterMark(false));

/** A registry may verify and store a large body before it responds: the wait for its response grows with the body. */
const STORED_BYTES_PER_MS = 10_000;

/** A body that is streamed with a `Content-Length`. */
export interface StreamedBody {
  /** Bytes of the body. */
  readonly length: number;
  /** Opens the bytes. A redirect and a challenge open them again. `OpenBlob.offset` counts from the start of the body. */
  open(): Promise<OpenBlob>;
  /** Called with the bytes that are sent so far. */
  readonly onBytes?: ((sent: number) => void) | undefined;
}

/** Times within which a body must be sent. */
export interface SendingLimits {
  readonly timeoutMs: number;
  readonly minBytesPerSecond: number;
  /** Called when the server takes the body too slowly, or does not respond to it. */
  onSlow(reason: string): void;
}

/** A body on its way to a server, as an iterable of pieces. */
export class SendingBody implements AsyncIterable<Uint8Array> {
  readonly length: number;
  readonly #body: StreamedBody;
  readonly #limits: SendingLimits;
  #reader: SourceReader | undefined;
  #watch: SupplyWatch | undefined;
  #responseTimer: NodeJS.Timeout | undefined;
  #sent = 0;
  #isAnswered = false;
  /** The failure of the source, which the request reports as its own. */
  failure: unknown;

  constructor(body: StreamedBody, limits: SendingLimits) {
    this.length = body.length;
    this.#body = body;
    this.#limits = limits;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      const { bytes, offset } = await this.#body.open();
      this.#reader = readSource(bytesOf(bytes));
      if (!this.#isAnswered) this.#watchRate();
      for await (const piece of this.#pieces(this.#reader, -offset)) {
        let taken = () => {};
        void this.#watch?.wait(new Promise<void>((resolve) => (taken = resolve)));
        yield piece;
        taken();
        this.#sent += piece.length;
        this.#body.onBytes?.(this.#sent);
      }
      if (!this.#isAnswered) this.#awaitResponse();
    } catch (error) {
      this.failure = error;
      throw error;
    } finally {
      this.#watch?.[Symbol.dispose]();
      this.#reader?.cancel();
    }
  }

  /** The response has begun. A refusal may come before the end of the body: sending on keeps the connection open for it. */
  answered(): void {
    this.#isAnswered = true;
    clearTimeout(this.#responseTimer);
    this.#watch?.[Symbol.dispose]();
  }

  /** The exchange has ended: no more bytes are read. */
  end(): void {
    this.answered();
    this.#reader?.cancel();
  }

  /** Cuts the source into pieces without copying, but for the remainder of a chunk that is no whole piece. */
  async *#pieces(reader: SourceReader, start: number): AsyncGenerator<Uint8Array, void, void> {
    const held = Buffer.allocUnsafe(PIECE_BYTES);
    let holds = 0;
    let at = start;
    for (;;) {
      const { done, value } = await reader.next();
      if (done || value === undefined) break;
      let rest = at < 0 ? value.subarray(-at) : value;
      at += value.length;
      if (at > this.length) throw this.#otherLength('more');
      while (holds + rest.length >= PIECE_BYTES) {
        const used = PIECE_BYTES - holds;
        held.set(holds === 0 ? [] : rest.subarray(0, used), holds);
        yield holds === 0 ? rest.subarray(0, used) : held;
        holds = 0;
        rest = rest.subarray(used);
      }
      held.set(rest, holds);
      holds += rest.length;
    }
    if (at < this.length) throw this.#otherLength(String(Math.max(at, 0)));
    if (holds > 0) yield held.subarray(0, holds);
  }

  #otherLength(actual: string): OverlayerError {
    const message = `The source gives ${actual} bytes, not the ${this.length} that its descriptor announces`;
    return new OverlayerError('DataLoss', message, { expected: String(this.length), actual });
  }

  #watchRate(): void {
    const { timeoutMs, minBytesPerSecond, onSlow } = this.#limits;
    const seconds = timeoutMs / 1000;
    let seen = 0;
    this.#watch = new SupplyWatch(() => {
      const went = this.#sent - seen;
      seen = this.#sent;
      if (went <= minBytesPerSecond * seconds)
        onSlow(
          `it takes no more than ${went} bytes in ${seconds} s, fewer than --min-rate (minBytesPerSecond)`,
        );
    }, timeoutMs);
  }

  #awaitResponse(): void {
    const limitMs = this.#limits.timeoutMs + Math.ceil(this.length / STORED_BYTES_PER_MS);
    const late = () => this.#limits.onSlow(`its answer does not begin within ${limitMs / 1000} s`);
    this.#responseTimer = setTimeout(late, Math.min(limitMs, 2 ** 31 - 1));
  }
}
