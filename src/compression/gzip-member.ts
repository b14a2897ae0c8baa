import { GZIP_FORMAT, GzipHeader } from './gzip-header.js';
import type { MemberDecoder } from './member-decoder.js';

/** Decodes a member's deflated data, and checks the checksum and the length behind it (RFC 1952, 2.3.1). */
export interface Inflater {
  begin(): void;
  /** As `MemberDecoder.take`. */
  take(input: Buffer, start: number, end: number): number;
  readonly done: boolean;
  close(): void;
}

export class GzipMember implements MemberDecoder {
  readonly format = GZIP_FORMAT;
  readonly isSkippable = false;
  readonly #inflater: Inflater;
  #header = new GzipHeader();

  constructor(inflater: Inflater) {
    this.#inflater = inflater;
  }

  get done(): boolean {
    return this.#inflater.done;
  }

  begin(): void {
    this.#header = new GzipHeader();
    this.#inflater.begin();
  }

  take(input: Buffer, start: number, end: number): number {
    const at = this.#header.done ? start : start + this.#header.take(input, start, end);
    return at - start + (at < end ? this.#inflater.take(input, at, end) : 0);
  }

  close(): void {
    this.#inflater.close();
  }
}
