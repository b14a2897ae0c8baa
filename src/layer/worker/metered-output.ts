import { limitError, RATIO_GRACE_BYTES } from '../../base/limits.js';
import type { Ring } from '../../base/ring.js';
import type { ByteOutput } from '../../compression/decompressor.js';
import type { System } from '../../system/system.js';
import { type Pipeline, STEP_BYTES } from './pipeline.js';
import { Room } from './room.js';

/** The ring of uncompressed bytes, with an eye on how many come from how few. */
export class MeteredOutput implements ByteOutput {
  readonly bytes: Buffer;
  readonly #room: Room;
  readonly #ring: Ring;
  readonly #maxRatio: number;
  /** Compressed bytes so far. */
  consumed = 0;
  #produced = 0;

  constructor(pipeline: Pipeline, system: System | undefined, maxRatio: number) {
    this.#ring = pipeline.output;
    this.#room = new Room(this.#ring, pipeline, system);
    this.bytes = this.#ring.bytes;
    this.#maxRatio = maxRatio;
  }

  get writeIndex(): number {
    return this.#ring.writeIndex;
  }

  waitRoom(): number {
    return Math.min(this.#room.wait(), STEP_BYTES);
  }

  publish(length: number): void {
    this.#produced += length;
    if (this.#produced > RATIO_GRACE_BYTES && this.#produced > this.consumed * this.#maxRatio)
      throw limitError('maxRatio', this.#maxRatio, { offset: this.#produced });
    this.#ring.publish(length);
  }

  /** No more may come for long: let what there is be worked on. */
  flush(): void {
    this.#ring.flush();
  }

  end(): void {
    this.#ring.end();
  }
}
