/** Where a layer's archive goes. */
export interface LayerOutput {
  /** What comes before an entry's content, in memory that is written again afterwards. */
  header(bytes: Uint8Array): void;
  zeros(count: number): void;
  /** Bytes of an open file, from where it stands. @returns how many there were: fewer only at its end */
  read(file: number, length: number): number;
}
