import { crc32 } from 'node:zlib';
import { MemberError, type MemberFormat } from './member-decoder.js';

const MAGIC = Buffer.from([0x1f, 0x8b]);
const DEFLATE = 8;
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const RESERVED = 0xe0;
/** Method, flags, time, and two more, behind the magic. */
const FIXED_BYTES = 8;

export const GZIP_FORMAT: MemberFormat = {
  name: 'gzip',
  unit: 'member',
  magicBytes: MAGIC.length,
  isMagic: (bytes) => MAGIC.equals(bytes),
  mayBePadded: true,
};

type Part = 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'crc' | 'done';

/**
 * Reads a gzip member's header (RFC 1952, 2.3), behind its magic, from pieces of any size: ISA-L's own reader of it goes
 * wrong when a name, comment or extra field is split, and passes over a wrong checksum. What the header says is of no use
 * here.
 */
export class GzipHeader {
  #part: Part = 'fixed';
  #at = 0;
  #flags = 0;
  #extraLength = 0;
  /** Of all bytes before the one that is compared with it, where the header has one. */
  #crc = crc32(MAGIC);
  #expectedCrc = 0;

  get done(): boolean {
    return this.#part === 'done';
  }

  /** @returns how many bytes belong to the header @throws MemberError */
  take(input: Uint8Array, start: number, end: number): number {
    let at = start;
    let covered = start;
    while (at < end && this.#part !== 'done') {
      if (this.#part !== 'crc') covered = at + 1;
      this.#step(input[at++]!);
    }
    const mayHaveCrc = (this.#flags & FHCRC) !== 0 || (this.#part === 'fixed' && this.#at < 2);
    if (mayHaveCrc && covered > start) this.#crc = crc32(input.subarray(start, covered), this.#crc);
    if (this.#part === 'done' && (this.#flags & FHCRC) !== 0 && (this.#crc & 0xffff) !== this.#expectedCrc)
      throw new MemberError('wrong checksum of a header');
    return at - start;
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

  /** Goes on with `part`, or with what comes after it where the flags say that it is not there. */
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
