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
