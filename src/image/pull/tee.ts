import { type ByteSource, iterateSource, readSource, type SourceReader } from '../../base/byte-source.js';
import type { Ingest } from '../../content/content-store.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { bytesOf, otherSize } from '../source/blob-bytes.js';
import type { SupplyWatch } from './supply-watch.js';

export interface TeeOptions {
  /** Has some of the bytes already, and gets the others too. */
  readonly ingest?: Ingest;
  readonly watch?: SupplyWatch;
}

/**
 * The bytes of a blob on their way to whoever unpacks it: first those that an ingest has already, then those
 * that come, which it gets too. Never more than the descriptor says.
 */
export class Tee {
  readonly #descriptor: Descriptor;
  readonly #ingest: Ingest | undefined;
  readonly #rest: SourceReader;
  readonly #watch: SupplyWatch | undefined;
  #written: Promise<void> = Promise.resolve();
  #bytes: number;
  #left = false;

  /** @param rest of the blob, from the end of the ingest on */
  constructor(descriptor: Descriptor, rest: ByteSource, { ingest, watch }: TeeOptions = {}) {
    this.#descriptor = descriptor;
    this.#rest = readSource(rest);
    this.#watch = watch;
    this.#ingest = ingest;
    this.#bytes = ingest?.offset ?? 0;
  }

  /** Those that have come, of earlier times too. */
  get bytes(): number {
    return this.#bytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    if (this.#ingest !== undefined && this.#ingest.offset > 0)
      yield* iterateSource(
        bytesOf({
          path: this.#ingest.path,
          offset: 0,
          length: this.#ingest.offset,
        }),
      );
    for (;;) {
      const next = this.#rest.next();
      const { done, value } = await (this.#watch?.wait(next) ?? next);
      if (done || value === undefined || this.#left) break;
      this.#bytes += value.length;
      if (this.#bytes > this.#descriptor.size) throw otherSize(this.#descriptor, 'more');
      // On its way to the disk while it is unpacked.
      this.#written = this.#ingest?.write(value) ?? this.#written;
      this.#written.catch(() => {});
      yield value;
      await this.#written;
    }
  }

  /** Nobody reads any more; the ingest is left alone once this resolves. */
  async leave(): Promise<void> {
    this.#left = true;
    this.#rest.cancel();
    await this.#written.catch(() => {});
  }
}
