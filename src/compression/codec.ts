import { OverlayerError } from '../base/errors.js';

/** The memory that a compressor or decompressor writes its output into, one piece at a time. */
export interface ByteOutput {
  readonly bytes: Buffer;
  /** Index in `bytes` of the next byte to write. */
  readonly writeIndex: number;
  /** Blocks until there is room. @returns bytes of room from `writeIndex` on, at least 1 */
  waitRoom(): number;
  /** Passes on `length` bytes that were written at `writeIndex`. */
  publish(length: number): void;
}

/** Copies bytes into an output, as it has room. */
export function copyInto(output: ByteOutput, bytes: Buffer, start: number, end: number): void {
  for (let at = start; at < end; ) {
    const length = Math.min(output.waitRoom(), end - at);
    bytes.copy(output.bytes, output.writeIndex, at, at + length);
    output.publish(length);
    at += length;
  }
}

/** Decompresses a stream into a `ByteOutput`. */
export interface Decompressor {
  /**
   * Takes all of `input` from `start` to `end`.
   *
   * @throws OverlayerError `DataLoss` for damage, with the offset in the compressed bytes
   */
  write(input: Buffer, start: number, end: number): void;
  /** The stream has ended. @throws OverlayerError `DataLoss` when it is cut off */
  end(): void;
  /** Zeros follow the stream. */
  readonly dataAfterStream: boolean;
  /**
   * The stream is one member or frame, and nothing follows it, so it is whole. A stream of several that is cut off
   * between two of them can't be told from a shorter one.
   */
  readonly provesEnd: boolean;
  /** Frees native memory. */
  close(): void;
}

/** Compresses bytes into a `ByteOutput`. The output does not depend on how the input is cut, nor on the room there is. */
export interface Compressor {
  /** Takes all of `input` from `start` to `end`, which may change when this has resolved. */
  write(input: Buffer, start: number, end: number): Promise<void>;
  /** The input has ended: writes the rest of the output. */
  end(): Promise<void>;
  /** Frees native memory. */
  close(): void;
}

/** @param offset in the compressed bytes */
export function corruptStream(format: string, reason: string, offset: number): OverlayerError {
  return new OverlayerError(
    'DataLoss',
    `Cannot decompress the layer: ${format} stream is corrupt (${reason})`,
    { hint: 'get the layer again: its bytes are damaged', offset },
  );
}

export function truncatedStream(format: string, offset: number): OverlayerError {
  return new OverlayerError('DataLoss', `Cannot decompress the layer: ${format} stream is cut off`, {
    hint: 'get the layer again: it is not whole',
    offset,
  });
}
