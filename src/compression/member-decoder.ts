/** Decodes one member (gzip) or frame (zstd) after the other. What stands between them is not its business. */
export interface MemberDecoder {
  readonly format: MemberFormat;
  /** A member follows, of which these first bytes have come. */
  begin(magic: Buffer): void;
  /**
   * Takes bytes up to the member's end, or as many as there are.
   *
   * @returns how many
   * @throws MemberError, or OverlayerError for what is not damage
   */
  take(input: Buffer, start: number, end: number): number;
  /** The member is complete, its checksum included. */
  readonly done: boolean;
  /** The member holds nothing of the stream's content (a skippable frame). */
  readonly isSkippable: boolean;
  /** Gives native memory back. */
  close(): void;
}

export interface MemberFormat {
  readonly name: 'gzip' | 'zstd';
  /** The format's word for a member. */
  readonly unit: 'member' | 'frame';
  /** By so many bytes a member is known. */
  readonly magicBytes: number;
  readonly isMagic: (bytes: Uint8Array) => boolean;
  /** Whether zeros may fill up the stream, as on a tape. */
  readonly mayBePadded: boolean;
}

/** Why a member can't be decoded; `MemberStream` says where. */
export class MemberError extends Error {}
