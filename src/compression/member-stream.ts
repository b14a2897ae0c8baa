import { hasNonZero } from '../base/has-non-zero.js';
import { corruptStream, type Decompressor, truncatedStream } from './codec.js';
import { detectFormat } from './detect.js';
import { type MemberDecoder, MemberError } from './member-decoder.js';

type State = 'between' | 'member' | 'padding';

/**
 * Decompresses a stream of members or frames. After a member comes another one, or the end, or zeros up to the end where
 * the format allows them (RFC 1952, 2.2; RFC 8878, 3). `gzip -t` and `zstd -t` accept the same. Anything else is damage:
 * otherwise one wrong bit in the first bytes of a member would end the stream there.
 */
export class MemberStream implements Decompressor {
  dataAfterStream = false;
  readonly #decoder: MemberDecoder;
  #state: State = 'between';
  /** Offset in the compressed bytes. */
  #position = 0;
  /** Offset of the current member. */
  #memberStart = 0;
  /** The first bytes behind a member, until there are enough to tell what they are. */
  readonly #magic: Buffer;
  #magicFill = 0;
  #members = 0;
  /** Members that have content. */
  #contents = 0;

  constructor(decoder: MemberDecoder) {
    this.#decoder = decoder;
    this.#magic = Buffer.alloc(decoder.format.magicBytes);
  }

  get provesEnd(): boolean {
    return this.#contents === 1 && !this.dataAfterStream;
  }

  write(input: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const taken = this.#take(input, at, end);
      this.#position += taken;
      at += taken;
    }
  }

  end(): void {
    if (this.#state === 'member' || this.#magicFill > 0 || this.#members === 0)
      throw truncatedStream(this.#decoder.format.name, this.#position);
  }

  close(): void {
    this.#decoder.close();
  }

  /** @returns bytes taken */
  #take(input: Buffer, start: number, end: number): number {
    switch (this.#state) {
      case 'between':
        return this.#takeMagic(input, start, end);
      case 'member':
        return this.#takeMember(input, start, end);
      case 'padding':
        if (hasNonZero(input, start, end)) throw this.#corrupt('bytes follow the zeros after its end');
        return end - start;
    }
  }

  #takeMagic(input: Buffer, start: number, end: number): number {
    const { magicBytes, isMagic, mayBePadded } = this.#decoder.format;
    if (this.#magicFill === 0) {
      this.#memberStart = this.#position;
      if (input[start] === 0 && mayBePadded && this.#members > 0) {
        this.#state = 'padding';
        this.dataAfterStream = true;
        return 0;
      }
    }
    const taken = input.copy(
      this.#magic,
      this.#magicFill,
      start,
      Math.min(end, start + magicBytes - this.#magicFill),
    );
    this.#magicFill += taken;
    if (this.#magicFill < magicBytes) return taken;
    if (!isMagic(this.#magic)) throw this.#noMember();
    this.#magicFill = 0;
    this.#state = 'member';
    this.#members += 1;
    this.#decoder.begin(this.#magic);
    return taken;
  }

  #takeMember(input: Buffer, start: number, end: number): number {
    const decoder = this.#decoder;
    try {
      const taken = decoder.take(input, start, end);
      if (decoder.done) {
        this.#state = 'between';
        if (!decoder.isSkippable) this.#contents += 1;
      }
      return taken;
    } catch (error) {
      if (error instanceof MemberError) throw this.#corrupt(error.message);
      throw error;
    }
  }

  #noMember(): Error {
    // Streams of lz4 can begin with skippable frames as well.
    if (this.#contents === 0) detectFormat(this.#magic);
    return this.#corrupt(`neither another ${this.#decoder.format.unit} nor its end`);
  }

  #corrupt(reason: string): Error {
    return corruptStream(this.#decoder.format.name, reason, this.#memberStart);
  }
}
