/** What a source lends: each piece stays as it is until the next is asked for. */
export interface Lent extends AsyncIterable<Uint8Array> {
  destroy(): void;
}

/** Bytes for everybody, as copies that stay; who is done with a piece when it asks for the next takes `lent` (`bytesOf`). */
export class LentBytes implements AsyncIterable<Uint8Array> {
  readonly lent: Lent;

  constructor(lent: Lent) {
    this.lent = lent;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of this.lent) yield Buffer.from(piece);
  }

  /** Nobody reads it, or any more. */
  destroy(): void {
    this.lent.destroy();
  }
}
