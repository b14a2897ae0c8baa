import { type ByteSource, readSource, type SourceReader } from '../../base/byte-source.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { otherSize } from '../source/blob-bytes.js';
import type { SupplyWatch } from './supply-watch.js';

/** The bytes of a blob that is not kept. Never more bytes than the descriptor's size. */
export class CountedBytes {
  readonly #descriptor: Descriptor;
  readonly #source: SourceReader;
  readonly #watch: SupplyWatch | undefined;
  #count = 0;

  constructor(descriptor: Descriptor, source: ByteSource, watch?: SupplyWatch) {
    this.#descriptor = descriptor;
    this.#source = readSource(source);
    this.#watch = watch;
  }

  /** Number of bytes so far. */
  get count(): number {
    return this.#count;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const next = this.#source.next();
      const { done, value } = await (this.#watch?.wait(next) ?? next);
      if (done || value === undefined) return;
      this.#count += value.length;
      if (this.#count > this.#descriptor.size) throw otherSize(this.#descriptor, 'more');
      yield value;
    }
  }

  cancel(): void {
    this.#source.cancel();
  }
}
