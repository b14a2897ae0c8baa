import type { Descriptor } from '../../../oci/descriptor.js';
import { SupplyWatch } from '../../pull/supply-watch.js';
import type { Lent } from '../../source/blob-bytes.js';
import type { Retries } from '../http/retries.js';
import type { BlobRequests } from './blob-requests.js';
import type { ConnectionBudget } from './connection-budget.js';
import { type Part, PartsAhead } from './parts-ahead.js';
import { type BlobResponse, RangeReader } from './range-reader.js';

const MIN_PART_BYTES = 1024 ** 2;
const MAX_PART_BYTES = 4 * 1024 ** 2;
/** A part takes this time at least, so that the latency of its request costs little. */
const PART_SECONDS = 0.5;
/** One connection fetches a rest that comes within this time. */
const SHORT_REST_SECONDS = 1;
/** Parts at once when a connection turns out to be slow. */
const FIRST_LANES = 4;
/** More connections have helped when the rate has grown by this factor. */
const GROWTH = 1.5;

const NO_BYTES: IteratorYieldResult<Uint8Array> = { value: new Uint8Array() };

/** How the ranges of one blob are fetched. */
export interface FetchBlobOptions {
  readonly requests: BlobRequests;
  /** Connections at once. `isFixed`: also when bytes come fast. */
  readonly connections: { readonly most: number; readonly isFixed: boolean };
  readonly budget: ConnectionBudget;
  readonly retries: () => Retries;
  readonly signal: AbortSignal;
}

interface SingleConnection {
  readonly reader: RangeReader;
  readonly chunks: AsyncGenerator<Uint8Array, void, void>;
  /** The bytes that are awaited. */
  next?: Promise<IteratorResult<Uint8Array, void>> | undefined;
  /** Gives its place in the budget back. */
  readonly leave: () => void;
}

/**
 * The bytes of a blob. They come by one connection. While that is slower than the reader, several ranges are fetched at
 * once, if the server sends ranges.
 *
 * @throws OverlayerError while they are read, as `RangeReader`
 */
export class BlobBody implements Lent {
  readonly #blob: Descriptor;
  readonly #options: FetchBlobOptions;
  readonly #sendsRanges: boolean | undefined;
  /** The connection from the reader's offset to the end of the blob. Undefined while parts are read. */
  #single: SingleConnection | undefined;
  #ahead: PartsAhead | undefined;
  /** Offset of the reader's next byte. */
  #at: number;
  #isLetGo = false;
  /** Bytes that have come by the single connection. */
  #come = 0;
  /** The bytes and the time of the last measurement of the rate. */
  #measured = { come: 0, atMs: 0 };
  /** The rate before connections were added. */
  #rateBefore = 0;

  constructor(blob: Descriptor, first: BlobResponse, options: FetchBlobOptions) {
    this.#blob = blob;
    this.#options = options;
    this.#at = first.range.start;
    this.#sendsRanges = sendsRanges(first);
    this.#single = this.#connect(first);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    this.#measured.atMs = performance.now();
    using watch = new SupplyWatch(() => this.#onStarved());
    const { most, isFixed } = this.#options.connections;
    if (isFixed) this.#fetchAhead(most, MAX_PART_BYTES);
    try {
      while (!this.#isLetGo) {
        const part = this.#ahead?.at(this.#at);
        let bytes = part?.bytesAt(this.#at);
        if (bytes !== undefined && bytes.length > 0) this.#endSingle();
        else {
          const come = await watch.wait(this.#wait(part));
          if (come.done) return;
          bytes = come.value;
        }
        this.#at += bytes.length;
        if (bytes.length > 0) yield bytes;
      }
    } finally {
      this.destroy();
    }
  }

  /** No consumer reads on. */
  destroy(): void {
    this.#isLetGo = true;
    this.#endSingle();
    this.#ahead?.destroy();
  }

  /** Waits for bytes of the single connection, or until the part may have some, which gives no bytes. */
  async #wait(part: Part | undefined): Promise<IteratorResult<Uint8Array, void>> {
    if (this.#single === undefined) {
      part?.need();
      if (part !== undefined) return await part.more().then(() => NO_BYTES);
      if (this.#at === this.#blob.size) return { done: true, value: undefined };
    }
    this.#single ??= this.#connect();
    const single = this.#single;
    if (single.next === undefined) {
      single.next = single.chunks.next();
      single.next.catch(() => {}); // the part may end the connection
    }
    const next =
      part === undefined
        ? await single.next
        : await Promise.race([single.next, part.more().then(() => NO_BYTES)]);
    if (next === NO_BYTES) return next;
    single.next = undefined;
    this.#come += next.value?.length ?? 0;
    return next;
  }

  #connect(first?: BlobResponse): SingleConnection {
    const { requests, budget, retries, signal } = this.#options;
    const operation = { retries: retries(), signal };
    const reader = new RangeReader({
      ...{ blob: this.#blob, range: { start: this.#at, end: this.#blob.size }, first, ...operation },
      openAt: async (offset) => await requests.open(offset, operation),
    });
    return { reader, chunks: reader.chunks(), leave: budget.occupy() };
  }

  #endSingle(): void {
    this.#single?.reader.destroy();
    this.#single?.leave();
    this.#single = undefined;
  }

  /** Adds connections: four at first, then twice as many while that has increased the rate. */
  #onStarved(): void {
    const sinceMs = this.#measured.atMs;
    const rate = this.#measureRate();
    // A wait before a retry is no slow connection.
    if (this.#single !== undefined && this.#single.reader.receivesSinceMs > sinceMs) return;
    const { most } = this.#options.connections;
    if (rate === 0 || this.#blob.size - this.#at < rate * SHORT_REST_SECONDS) return;
    if (this.#ahead === undefined) this.#fetchAhead(Math.min(FIRST_LANES, most), rate * PART_SECONDS);
    else if (this.#ahead.lanes < most && rate > GROWTH * this.#rateBefore)
      this.#ahead.widen(Math.min(2 * this.#ahead.lanes, most));
    else return;
    this.#rateBefore = rate;
  }

  /** Bytes per second since the last call. */
  #measureRate(): number {
    const { come, atMs } = this.#measured;
    this.#measured = { come: this.#come + (this.#ahead?.come ?? 0), atMs: performance.now() };
    return (this.#measured.come - come) / ((this.#measured.atMs - atMs) / 1000);
  }

  #fetchAhead(lanes: number, bytes: number): void {
    const rest = this.#blob.size - this.#at;
    const partBytes = Math.ceil(
      Math.min(Math.max(Math.min(bytes, rest / (lanes + 1)), MIN_PART_BYTES), MAX_PART_BYTES),
    );
    if (this.#sendsRanges === false || lanes === 1 || rest < 2 * partBytes) return;
    this.#ahead = new PartsAhead({
      ...{ ...this.#options, blob: this.#blob, start: this.#at + partBytes, partBytes, lanes },
      sendsRanges: this.#sendsRanges === true,
    });
  }
}

/** Whether a server sends ranges of a blob; undefined when its response does not show it. */
function sendsRanges({ response }: BlobResponse): boolean | undefined {
  if (response.isEncoded) return false;
  if (response.status === 206) return true;
  const accepted = response.header('accept-ranges');
  return accepted === undefined ? undefined : accepted.trim().toLowerCase() === 'bytes';
}
