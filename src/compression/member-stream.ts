import { hasNonZero } from '../base/has-non-zero.js';
import { corruptStream, type Decompressor, truncatedStream } from './codec.js';
import { detectFormat } from './detect.js';

/** Decodes members (gzip) or frames (zstd), one after the other. `MemberStream` handles the bytes between them. */
export interface MemberDecoder {
  readonly format: MemberFormat;
  /** A member begins. @param magic its first bytes, `magicBytes` of them */
  begin(magic: Buffer): void;
  /**
   * Takes bytes up to the member's end, or all of them.
   *
   * @returns how many it took
   * @throws MemberError for damage, OverlayerError for a form or size that is refused
   */
  take(input: Buffer, start: number, end: number): number;
  /** The member is complete, its checksum included. */
  readonly done: boolean;
  /** The member is a skippable frame: it has no part of the content. */
  readonly isSkippable: boolean;
  /** Frees native memory. */
  close(): void;
}

export interface MemberFormat {
  readonly name: 'gzip' | 'zstd';
  /** The format's own word for a member. */
  readonly unit: 'member' | 'frame';
  /** Length of the magic bytes. */
  readonly magicBytes: number;
  readonly isMagic: (bytes: Uint8Array) => boolean;
  /** Zeros may follow the last member, as on a tape. */
  readonly mayBePadded: boolean;
}

/** A member is damaged. `MemberStream` adds the offset. */
export class MemberError extends Error {}

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
