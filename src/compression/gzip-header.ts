const MAGIC_AND_METHOD = [0x1f, 0x8b, 8] as const;
const FHCRC = 0x02;
const FEXTRA = 0x04;
const FNAME = 0x08;
const FCOMMENT = 0x10;
const RESERVED = 0xe0;
const FIXED_BYTES = 10;

type Part = 'fixed' | 'extra-length' | 'extra' | 'name' | 'comment' | 'crc' | 'done';

/**
 * Reads a gzip member's header (RFC 1952, 2.3) from pieces of any size: ISA-L's own reader of it goes wrong when
 * a name, comment or extra field is split. What the header says is of no use here.
 */
export class GzipHeader {
  #part: Part = 'fixed';
  #at = 0;
  #flags = 0;
  #extraLength = 0;

  get done(): boolean {
    return this.#part === 'done';
  }

  /** No byte of it has come. */
  get empty(): boolean {
    return this.#part === 'fixed' && this.#at === 0;
  }

  /** Its first two bytes are gzip's. */
  get hasMagic(): boolean {
    return this.#part !== 'fixed' || this.#at >= 2;
  }

  /** @returns how many bytes belong to the header; undefined when it is none */
  take(input: Uint8Array, start: number, end: number): number | undefined {
    let at = start;
    while (at < end && this.#part !== 'done') if (!this.#step(input[at++]!)) return undefined;
    return at - start;
  }

  #step(byte: number): boolean {
    switch (this.#part) {
      case 'fixed':
        if (this.#at < MAGIC_AND_METHOD.length && byte !== MAGIC_AND_METHOD[this.#at]) return false;
        if (this.#at === 3) this.#flags = byte;
        if (++this.#at === FIXED_BYTES) this.#next('extra-length');
        return (this.#flags & RESERVED) === 0;
      case 'extra-length':
        this.#extraLength |= byte << (8 * this.#at);
        if (++this.#at === 2) this.#next(this.#extraLength === 0 ? 'name' : 'extra');
        return true;
      case 'extra':
        if (++this.#at === this.#extraLength) this.#next('name');
        return true;
      case 'name':
        if (byte === 0) this.#next('comment');
        return true;
      case 'comment':
        if (byte === 0) this.#next('crc');
        return true;
      case 'crc':
        if (++this.#at === 2) this.#next('done');
        return true;
      default:
        return true;
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
