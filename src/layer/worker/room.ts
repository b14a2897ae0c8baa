import { DATA, SPACE } from '../../base/gate.js';
import type { Ring } from '../../base/ring.js';
import type { System } from '../../system/system.js';
import { FileQueue } from './file-queue.js';
import type { Pipeline } from './pipeline.js';
import { SharedDigest } from './shared-digest.js';

/** Room in a ring, for the decode thread. Where it is the archive's and full, the apply thread is slower: take work off it meanwhile. */
export class Room {
  readonly #ring: Ring;
  readonly #pipeline: Pipeline;
  readonly #digest: SharedDigest;
  readonly #files: FileQueue | undefined;

  constructor(ring: Ring, pipeline: Pipeline, system: System | undefined) {
    const { input, inputDigest, outputDigest } = pipeline;
    this.#ring = ring;
    this.#pipeline = pipeline;
    this.#digest = new SharedDigest(ring, ring === input ? inputDigest : outputDigest);
    this.#files = system && new FileQueue(pipeline.files, system, ring.bytes);
  }

  wait(): number {
    const { compressed, output, gate } = this.#pipeline;
    const isArchive = compressed !== undefined && compressed === (this.#ring === output);
    for (;;) {
      const seen = gate.look(SPACE);
      const room = this.#ring.room();
      if (room > 0) return room;
      if (isArchive) {
        if (this.#digest.help() || this.#files?.work()) continue;
        // The apply thread may wait for the last of these to be done.
        gate.bump(DATA);
      }
      gate.wait(SPACE, seen);
    }
  }
}
