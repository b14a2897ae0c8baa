/**
 * Plain bytes in, compressed ones into a `ByteOutput`. The same come out for the same, in whatever pieces they are written
 * and however much room there is.
 */
export interface Compressor {
  /** Takes all of `input` from `start` to `end`. */
  write(input: Buffer, start: number, end: number): void;
  /** Nothing comes any more. */
  end(): void;
  /** Gives native memory back. */
  close(): void;
}
