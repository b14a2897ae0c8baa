import { type CheckFinding, chainIDs, type DiffID, planLayer } from '../../../index.js';

/** Files of layers, by what they hold. They are read only when one is asked for. */
export class LayerFiles {
  readonly #paths: readonly string[];
  readonly #signal: AbortSignal;
  #byDiffID: Promise<ReadonlyMap<DiffID, string>> | undefined;

  constructor(paths: readonly string[], signal: AbortSignal) {
    this.#paths = paths;
    this.#signal = signal;
  }

  /** The file with the layer of a damaged snapshot. */
  async find({ diffID, snapshot, parent }: CheckFinding): Promise<string | undefined> {
    this.#byDiffID ??= this.#read();
    const files = await this.#byDiffID;
    if (diffID !== undefined) return files.get(diffID);
    // The parent's name is a chainID, which stands for all layers below.
    const below = parent === undefined ? [] : [parent as DiffID];
    return [...files].find(([layer]) => chainIDs([...below, layer]).at(-1) === snapshot)?.[1];
  }

  async #read(): Promise<ReadonlyMap<DiffID, string>> {
    const files = new Map<DiffID, string>();
    for (const path of this.#paths) {
      const { diffID } = await planLayer(path, { signal: this.#signal });
      if (diffID !== undefined) files.set(diffID, path);
    }
    return files;
  }
}
