import { crc32 } from 'node:zlib';
import { type MemberDecoder, MemberError, type MemberFormat } from './member-stream.js';

const MAGIC = Buffer.from([0x1f, 0x8b]);
const DEFLATE = 8;
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const RESERVED = 0xe0;
/** Behind the magic: method, flags, time (4), extra flags, operating system. */
const FIXED_BYTES = 8;

const GZIP_FORMAT: MemberFormat = {
  name: 'gzip',
  unit: 'member',
  magicBytes: MAGIC.length,
  isMagic: (bytes) => MAGIC.equals(bytes),
  mayBePadded: true,
};

type Part = 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'crc' | 'done';

/**
 * Passes over a member's header (RFC 1952, 2.3), behind its magic, in pieces of any size. ISA-L's own reader fails when a
 * name, comment or extra field is split, and accepts a wrong checksum.
 */
class GzipHeader {
  #part: Part = 'fixed';
  #at = 0;
  #flags = 0;
  #extraLength = 0;
  /** The checksum of the header's bytes so far, if the header ends with it. */
  #crc = 0;
  #expectedCrc = 0;

  get done(): boolean {
    return this.#part === 'done';
  }

  /** @returns how many of the bytes belong to the header @throws MemberError */
  take(input: Uint8Array, start: number, end: number): number {
    let at = start;
    let from = start;
    let covered = start;
    while (at < end && this.#part !== 'done') {
      const isFlags = this.#part === 'fixed' && this.#at === 1;
      if (this.#part !== 'crc') covered = at + 1;
      this.#step(input[at++]!);
      if (!isFlags) continue;
      from = at;
      if (this.#hasCrc) this.#crc = crc32(Uint8Array.of(...MAGIC, DEFLATE, this.#flags));
    }
    if (this.#hasCrc && covered > from) this.#crc = crc32(input.subarray(from, covered), this.#crc);
    if (this.#part === 'done' && this.#hasCrc && (this.#crc & 0xffff) !== this.#expectedCrc)
      throw new MemberError('wrong checksum of a header');
    return at - start;
  }

  get #hasCrc(): boolean {
    return (this.#flags & FHCRC) !== 0;
  }

  #step(byte: number): void {
    switch (this.#part) {
      case 'fixed':
        if (this.#at === 0 && byte !== DEFLATE) throw new MemberError('unknown method');
        if (this.#at === 1) this.#flags = byte;
        if ((this.#flags & RESERVED) !== 0) throw new MemberError('reserved flags');
        if (++this.#at === FIXED_BYTES) this.#next('extra-length');
        return;
      case 'extra-length':
        this.#extraLength |= byte << (8 * this.#at);
        if (++this.#at === 2) this.#next(this.#extraLength === 0 ? 'name' : 'extra');
        return;
      case 'extra':
        if (++this.#at === this.#extraLength) this.#next('name');
        return;
      case 'name':
        if (byte === 0) this.#next('comment');
        return;
      case 'comment':
        if (byte === 0) this.#next('crc');
        return;
      case 'crc':
        this.#expectedCrc |= byte << (8 * this.#at);
        if (++this.#at === 2) this.#next('done');
        return;
    }
  }

  /** Goes on with `part`, or with the part behind it when the flags say that it is absent. */
  #next(part: Part): void {
    this.#at = 0;
    const has = (flag: number) => (this.#flags & flag) !== 0;
    if (part === 'extra-length' && !has(FEXTRA)) this.#next('name');
    else if (part === 'name' && !has(FNAME)) this.#next('comment');
    else if (part === 'comment' && !has(FCOMMENT)) this.#next('crc');
    else if (part === 'crc' && !has(FHCRC)) this.#part = 'done';
    else this.#part = part;
  }
}

/** Decodes a member's deflated data, and compares it with the checksum and the length behind it (RFC 1952, 2.3.1). */
export interface Inflater {
  begin(): void;
  /** See `MemberDecoder.take`. */
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
