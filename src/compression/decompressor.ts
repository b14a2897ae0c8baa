import { OverlayerError } from '../base/errors.js';

/** Where decompressed bytes go: memory to write into, a piece at a time. */
export interface ByteOutput {
  /** The memory. */
  readonly bytes: Buffer;
  /** Where in it the next bytes belong. */
  readonly writeIndex: number;
  /** Waits for room. @returns how much there is from `writeIndex` on */
  waitRoom(): number;
  /** So many bytes stand at `writeIndex`. */
  publish(length: number): void;
}

/** Compressed bytes in, plain ones into a `ByteOutput`. */
export interface Decompressor {
  /** Takes all of `input` from `start` to `end`. @throws OverlayerError `DataLoss` for damage, with the offset in the stream */
  write(input: Buffer, start: number, end: number): void;
  /** @throws OverlayerError `DataLoss` when the stream is cut off */
  end(): void;
  /** Zeros followed the stream. */
  readonly dataAfterStream: boolean;
  /**
   * The stream says itself that it is whole: it is one member or frame, and nothing follows it. One that was cut off
   * between two of them looks like one that has fewer.
   */
  readonly provesEnd: boolean;
  /** Gives native memory back. */
  close(): void;
}

/** @param offset in the compressed bytes */
export function corruptStream(format: string, reason: string, offset: number): OverlayerError {
  return new OverlayerError(
    'DataLoss',
    `Cannot decompress the layer: ${format} stream is corrupt (${reason})`,
    { hint: 'get the layer anew: its bytes are damaged', offset },
  );
}

export function truncatedStream(format: string, offset: number): OverlayerError {
  return new OverlayerError('DataLoss', `Cannot decompress the layer: ${format} stream is cut off`, {
    hint: 'get the layer anew: it is not whole',
    offset,
  });
}
