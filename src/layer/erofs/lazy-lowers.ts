import { statSync } from 'node:fs';
import { closeQuietly, openTree } from '../../rootfs/directory.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { System } from '../../system/system.js';
import { DirectoryLayer } from './directory-layer.js';
import { FileLayer } from './file-layer.js';
import type { LowerLayer } from './lower-tree.js';

/** Lower layers, layer files or directories in overlay form. The iteration opens each layer when it reaches it. */
export class LazyLowers implements Iterable<LowerLayer>, Disposable {
  readonly #system: System;
  readonly #paths: readonly string[];
  readonly #opened: LowerLayer[] = [];

  /** @param paths nearest first */
  constructor(system: System, paths: readonly string[]) {
    this.#system = system;
    this.#paths = paths;
  }

  /** @throws OverlayerError `NotFound`; as `readErofsLayer` */
  *[Symbol.iterator](): Generator<LowerLayer, void> {
    for (const [index, path] of this.#paths.entries()) {
      this.#opened[index] ??= openLowerLayer(this.#system, path);
      yield this.#opened[index];
    }
  }

  [Symbol.dispose](): void {
    for (const layer of this.#opened) layer[Symbol.dispose]();
  }
}

function openLowerLayer(system: System, path: string): LowerLayer {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat?.isFile()) return new FileLayer(path, stat);
  const descriptor = openTree(system, path, 'Lower layer');
  try {
    return new DirectoryLayer(system, descriptor);
  } catch (error) {
    closeQuietly(system, descriptor);
    throw toOverlayerError(error, `Cannot read lower layer "${path}"`);
  }
}
