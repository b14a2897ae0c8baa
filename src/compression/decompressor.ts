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

/**
 * Compressed bytes in, plain ones into a `ByteOutput`. Members (gzip) and frames (zstd) may follow one another;
 * what comes after the last of them is passed over and remembered.
 */
export interface Decompressor {
  /** Takes all of `input` from `start` to `end`. */
  write(input: Buffer, start: number, end: number): void;
  /** @throws OverlayerError `DataLoss` when the stream is cut off */
  end(): void;
  /** Something that is not part of the stream followed it. */
  readonly dataAfterStream: boolean;
  /** Gives native memory back. */
  close(): void;
}

export function corruptStream(format: string, reason: string): OverlayerError {
  return new OverlayerError(
    'DataLoss',
    `Cannot decompress the layer: ${format} stream is corrupt (${reason})`,
    {
      hint: 'get the layer anew: its bytes are damaged',
    },
  );
}

export function truncatedStream(format: string): OverlayerError {
  return new OverlayerError('DataLoss', `Cannot decompress the layer: ${format} stream is cut off`, {
    hint: 'get the layer anew: it is not whole',
  });
}
