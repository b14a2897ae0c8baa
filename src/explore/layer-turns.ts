import type { ScannedEntries } from '../layer/scanned-entries.js';
import type { ImageTree } from './image-tree.js';

/** Batches that wait for the turn of their layer, about 12 MB. With more of them a layer stops until its turn comes. */
const MAX_AHEAD = 256;

/** Applies layers that are read side by side to a tree, in their order. */
export class LayerTurns {
  readonly #tree: ImageTree;
  readonly #look: () => void;
  readonly #begun: Moment[];
  readonly #turns: Moment[];
  readonly #ahead: ScannedEntries[][];
  readonly #isRead: boolean[];
  #current = -1;
  #waiting = 0;

  /** @param look throws to abort */
  constructor(tree: ImageTree, layers: number, look: () => void) {
    this.#tree = tree;
    this.#look = look;
    this.#begun = Array.from({ length: layers }, () => new Moment());
    this.#turns = Array.from({ length: layers }, () => new Moment());
    this.#ahead = Array.from({ length: layers }, () => []);
    this.#isRead = Array.from({ length: layers }, () => false);
    this.#next();
  }

  /**
   * Begins to read a layer when those below it have begun: otherwise a layer whose turn comes later could take the last
   * threads from one that it waits for.
   */
  async begin(layer: number): Promise<void> {
    await this.#begun[layer - 1]?.hasCome;
    this.#begun[layer]!.come();
  }

  /** Takes the next entries of a layer. @returns a promise when the layer is too far ahead */
  take(layer: number, entries: ScannedEntries): void | Promise<void> {
    if (layer === this.#current) {
      this.#tree.apply(entries);
      return undefined;
    }
    this.#ahead[layer]!.push(entries);
    this.#waiting += 1;
    return this.#waiting > MAX_AHEAD ? this.#turns[layer]!.hasCome : undefined;
  }

  /** A layer has been read to its end. */
  end(layer: number): void {
    this.#isRead[layer] = true;
    while (this.#isRead[this.#current]) this.#next();
  }

  #next(): void {
    this.#current += 1;
    const ahead = this.#ahead[this.#current];
    if (ahead === undefined) return; // all layers are applied
    this.#tree.beginLayer(this.#look);
    this.#waiting -= ahead.length;
    for (const entries of ahead.splice(0)) this.#tree.apply(entries);
    this.#turns[this.#current]!.come();
  }
}

/** Something that happens once. */
class Moment {
  come!: () => void;
  readonly hasCome: Promise<void> = new Promise((resolve) => {
    this.come = resolve;
  });
}
