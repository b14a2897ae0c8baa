import { setMaxListeners } from 'node:events';
import type { Descriptor } from '../../../oci/descriptor.js';
import type { Retries } from '../http/retries.js';
import type { BlobRequests } from './blob-requests.js';
import type { ConnectionBudget } from './connection-budget.js';
import { type Range, RangeReader } from './range-reader.js';

/** The largest chunk that a part gives at once. */
const MAX_CHUNK_BYTES = 1024 ** 2;

/** A part of a blob that is fetched before it is read. */
export class Part {
  readonly start: number;
  /** The end of the part; earlier when its request fails. */
  #end: number;
  readonly reader: RangeReader;
  #memory: Buffer | undefined;
  #filled = 0;
  readonly #needed = new AbortController();
  #wake = () => {};

  constructor({ start, end }: Range, reader: RangeReader) {
    this.start = start;
    this.#end = end;
    this.reader = reader;
  }

  get end(): number {
    return this.#end;
  }

  get isWhole(): boolean {
    return this.start + this.#filled === this.#end;
  }

  /** Bytes from an offset of the blob on, as far as they have come. */
  bytesAt(offset: number): Uint8Array {
    const from = offset - this.start;
    const bytes = this.#memory?.subarray(from, Math.min(this.#filled, from + MAX_CHUNK_BYTES));
    return bytes ?? new Uint8Array();
  }

  /** Aborted when the reader has no other bytes to wait for. */
  get needed(): AbortSignal {
    return this.#needed.signal;
  }

  need(): void {
    this.#needed.abort();
  }

  /** Waits for more bytes, or for the part's end. */
  async more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** @param memory for the whole part, when the first bytes come */
  add(bytes: Uint8Array, memory: () => Buffer): void {
    this.#memory ??= memory();
    this.#memory.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#wake();
  }

  /** Ends the part where its bytes end. */
  cut(): void {
    this.#end = this.start + this.#filled;
    this.reader.destroy();
    this.#wake();
  }

  /** Gives the memory back; undefined when bytes may still come into it. */
  release(): Buffer | undefined {
    if (this.isWhole) return this.#memory;
    this.cut();
    return undefined;
  }
}

interface FetchAheadOptions {
  readonly blob: Descriptor;
  /** Where the first part begins. */
  readonly start: number;
  readonly partBytes: number;
  /** Parts to fetch at once. */
  readonly lanes: number;
  /** Whether the server is known to send ranges. Otherwise the first part shows it. */
  readonly sendsRanges: boolean;
  readonly requests: BlobRequests;
  readonly budget: ConnectionBudget;
  readonly retries: () => Retries;
  readonly signal: AbortSignal;
}

/**
 * The parts of a blob that are fetched side by side, ahead of the reader. One more part than lanes is in memory at most.
 * After a failure no further part is requested: the reader requests the rest by one connection, and gets the failure if it
 * lasts.
 */
export class PartsAhead {
  readonly #options: FetchAheadOptions;
  readonly #ending = new AbortController();
  readonly #signal: AbortSignal;
  /** Parts in the order of the blob. */
  readonly #parts: Part[] = [];
  /** Memory of parts that were read. */
  readonly #spare: Buffer[] = [];
  #lanes: number;
  #active = 0;
  /** Offset of the next part. */
  #next: number;
  #sendsRanges: boolean;
  #come = 0;

  constructor(options: FetchAheadOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#ending.signal]);
    // Each request adds a listener.
    setMaxListeners(0, this.#signal);
    this.#lanes = options.lanes;
    this.#next = options.start;
    this.#sendsRanges = options.sendsRanges;
    this.#fill();
  }

  get lanes(): number {
    return this.#lanes;
  }

  /** Number of bytes that have come. */
  get come(): number {
    return this.#come;
  }

  widen(lanes: number): void {
    this.#lanes = lanes;
    this.#fill();
  }

  /** The part of an offset; undefined when it is not fetched ahead. Parts before it are given up. */
  at(offset: number): Part | undefined {
    while (this.#parts[0] !== undefined && this.#parts[0].end <= offset) {
      const memory = this.#parts.shift()?.release();
      if (memory !== undefined) this.#spare.push(memory);
    }
    // The reader's own connection was faster than the parts.
    if (this.#next < offset) this.#next = offset + this.#options.partBytes;
    this.#fill();
    const [part] = this.#parts;
    return part !== undefined && part.start <= offset ? part : undefined;
  }

  /** Ends all requests. */
  destroy(): void {
    this.#ending.abort();
    for (const part of this.#parts.splice(0)) part.cut();
  }

  #fill(): void {
    const { size } = this.#options.blob;
    const most = this.#sendsRanges ? this.#lanes : 1;
    while (
      !this.#signal.aborted &&
      this.#next < size &&
      this.#active < most &&
      this.#parts.length <= this.#lanes
    ) {
      const range = { start: this.#next, end: Math.min(this.#next + this.#options.partBytes, size) };
      this.#next = range.end;
      this.#active += 1;
      void this.#fetch(this.#add(range)).finally(() => {
        this.#active -= 1;
        this.#fill();
      });
    }
  }

  #add(range: Range): Part {
    const { blob, requests } = this.#options;
    const signal = this.#signal;
    const retries = this.#options.retries();
    const openAt = async (start: number) => await requests.range({ start, end: range.end }, retries, signal);
    const part = new Part(range, new RangeReader({ blob, range, openAt, retries, signal }));
    this.#parts.push(part);
    return part;
  }

  async #fetch(part: Part): Promise<void> {
    const { partBytes } = this.#options;
    const memory = () => this.#spare.pop() ?? Buffer.allocUnsafeSlow(partBytes);
    let leave = () => {};
    try {
      leave = await this.#enter(part);
      for await (const chunk of part.reader.chunks()) {
        part.add(chunk, memory);
        this.#come += chunk.length;
        this.#sendsRanges = true;
        this.#fill();
      }
    } catch {
      this.#endWith(part);
    } finally {
      leave();
    }
  }

  /**
   * Waits for a connection. The part that the reader waits for has one in any case: those of other blobs may have readers
   * that wait for this one.
   */
  async #enter({ needed }: Part): Promise<() => void> {
    const { budget } = this.#options;
    try {
      return await budget.enter(AbortSignal.any([this.#signal, needed]));
    } catch (error) {
      if (this.#signal.aborted) throw error;
      return budget.occupy();
    }
  }

  /** Gives up the rest of a part, and all parts behind it. */
  #endWith(part: Part): void {
    const index = this.#parts.indexOf(part);
    if (index === -1) return; // it was given up before
    this.#next = Infinity;
    for (const one of this.#parts.splice(index + 1)) one.cut();
    part.cut();
  }
}
