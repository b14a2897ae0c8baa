import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type LayerResult, OverlayerError, type UnpackLayerOptions, unpackLayer } from '../../src/index.js';
import type { ErofsMounts } from './erofs-mounts.js';
import { inodeFaults } from './inode-faults.js';
import { expectSameTrees } from './same-trees.js';
import { diffTrees, readTree, type Tree, type TreeNode } from './tree.js';
import { makeWorkDirectory } from './work-directory.js';

type Outcome = { readonly result: LayerResult } | { readonly error: OverlayerError };

/**
 * One stack of layers by each target: merged in a plain directory, each in overlay form in a directory of its own, and
 * each in an EROFS file.
 */
export class TargetStack implements Disposable {
  readonly #mounts: ErofsMounts;
  readonly #directories = makeWorkDirectory();
  /** The kernel can't mount files on a tmpfs without loop devices. */
  readonly #files = makeWorkDirectory('disk');
  #layers = 0;

  constructor(mounts: ErofsMounts) {
    this.#mounts = mounts;
  }

  /**
   * Unpacks one more layer by each target. A layer that fails is not part of the stack.
   *
   * @returns the code of the error that all targets fail with
   */
  async add(layer: Uint8Array): Promise<OverlayerError['code'] | undefined> {
    const number = this.#layers;
    const source = join(this.#directories, `${number}.tar`);
    writeFileSync(source, layer);
    const again = `${this.#file(number)}.again`;
    const outcomes = await Promise.all([
      unpack(source, this.#merged, { existing: 'merge' }),
      unpack(source, this.#upper(number), { target: 'overlay', lowers: this.#all(this.#upper) }),
      unpack(source, this.#file(number), { target: 'erofs', lowers: this.#all(this.#file) }),
      unpack(source, again, { target: 'erofs', lowers: this.#all(this.#upper) }),
    ]);
    const [code, ...others] = outcomes.map(codeOf);
    expect(others, outcomes.map(messageOf).join('\n')).toEqual([code, code, code]);
    if (code !== undefined) return code;
    const [, overlay, ...erofs] = outcomes;
    expect(erofs, 'the results of the EROFS target').toEqual([overlay, overlay]);
    const bytes = readFileSync(this.#file(number));
    expect(bytes.equals(readFileSync(again)), 'lower layers of both forms give the same file').toBe(true);
    rmSync(again);
    this.#layers += 1;
    return undefined;
  }

  /**
   * Compares all forms, and a mixture of EROFS files and directories in overlay form.
   *
   * @param merged the plain directory, when a layer that failed has changed it
   */
  async check(merged = this.merged()): Promise<void> {
    const overlay = await this.checkMounts();
    const mixed = this.#all((number) => (number % 2 === 0 ? this.#upper(number) : this.#file(number)));
    expectSameTrees(merged, overlay);
    expect(diffTrees(overlay, await this.#mounts.show(mixed, { merged: true }))).toEqual([]);
  }

  /** Compares the mount of the EROFS files with that of the directories in overlay form. @returns their tree */
  async checkMounts(): Promise<Tree> {
    const files = this.#all(this.#file);
    const overlay = await this.#mounts.show(this.#all(this.#upper), { merged: true });
    expect(diffTrees(overlay, await this.#mounts.show(files, { merged: true }))).toEqual([]);
    expect(await this.#mounts.at(files.slice(0, 1), (path) => inodeFaults(path))).toEqual([]);
    return overlay;
  }

  merged(): Tree {
    return asShown(readTree(this.#merged));
  }

  /** The EROFS file of a layer: 0 is the lowest. */
  file(number: number): string {
    return this.#file(number);
  }

  [Symbol.dispose](): void {
    rmSync(this.#directories, { recursive: true });
    rmSync(this.#files, { recursive: true });
  }

  get #merged(): string {
    return join(this.#directories, 'merged');
  }

  readonly #upper = (number: number): string => join(this.#directories, `upper-${number}`);
  readonly #file = (number: number): string => join(this.#files, `${number}.erofs`);

  /** Nearest first. */
  #all(form: (number: number) => string): string[] {
    return Array.from({ length: this.#layers }, (_, number) => form(number)).reverse();
  }
}

async function unpack(source: string, destination: string, options: UnpackLayerOptions): Promise<Outcome> {
  try {
    return { result: await unpackLayer(source, destination, { ...options, sync: false }) };
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    return { error };
  }
}

function codeOf(outcome: Outcome): OverlayerError['code'] | undefined {
  return 'error' in outcome ? outcome.error.code : undefined;
}

function messageOf(outcome: Outcome): string {
  return 'error' in outcome ? String(outcome.error.stack) : 'no error';
}

/** Overlay marks of an image are stored escaped. A mount shows them as they were, and a plain directory escaped. */
function asShown(tree: Tree): Tree {
  const asMounted = (name: string) => name.replace('.overlay.overlay.', '.overlay.');
  const shown = (xattrs: TreeNode['xattrs']) =>
    Object.fromEntries(Object.entries(xattrs).map(([name, value]) => [asMounted(name), value]));
  return new Map([...tree].map(([path, node]) => [path, { ...node, xattrs: shown(node.xattrs) }]));
}
