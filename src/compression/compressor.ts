/** Plain bytes in, compressed ones into a `ByteOutput`. The same bytes come out for the same bytes, whenever and wherever. */
export interface Compressor {
  /** Takes all of `input` from `start` to `end`. */
  write(input: Buffer, start: number, end: number): void;
  /** Nothing comes any more. */
  end(): void;
  /** Gives native memory back. */
  close(): void;
}
