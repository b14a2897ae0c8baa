import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test as base, expect } from 'vitest';
import {
  type LayerProgress,
  type LayerResult,
  type LayerSource,
  OverlayerError,
  type UnpackLayerOptions,
  unpackLayer,
} from '../../src/index.js';
import { tar } from './tar-builder.js';
import { diffTrees, readTree, type Tree } from './tree.js';
import { makeWorkDirectory } from './work-directory.js';

interface SandboxOptions extends UnpackLayerOptions {
  readonly onProgress?: (progress: LayerProgress) => void;
}

/**
 * A destination with a sentinel tree beside it, in which everything a hostile layer might change is watched:
 * contents, modes, owners, times, extended attributes, and whether something new appears.
 */
export class Sandbox {
  readonly root = makeWorkDirectory();
  /** Does not exist at first. */
  readonly dest = join(this.root, 'dest');
  readonly outside = join(this.root, 'outside');
  #before: Tree;

  constructor() {
    plantSentinel(this.outside);
    this.#before = this.#surroundings();
  }

  async unpack(archive: LayerSource, { onProgress, ...options }: SandboxOptions = {}): Promise<LayerResult> {
    const unpacking = unpackLayer(archive, this.dest, options);
    if (onProgress !== undefined) for await (const progress of unpacking) onProgress(progress);
    return await unpacking;
  }

  /** Unpacks an archive of these members over what is in the destination. */
  merge(...members: readonly Uint8Array[]): Promise<LayerResult> {
    return this.unpack(tar(...members), { existing: 'merge' });
  }

  /** Unpacks what must fail, and be gone. */
  async failure(archive: LayerSource, options?: SandboxOptions): Promise<OverlayerError> {
    const error = await failureOf(this.unpack(archive, options));
    if (options?.existing !== 'merge') expect(this.exists(), 'the destination is still there').toBe(false);
    return error;
  }

  exists(): boolean {
    return existsSync(this.dest);
  }

  /** Removes the destination. */
  empty(): void {
    // Not fs.rm: a hostile tree can be deeper than PATH_MAX.
    execFileSync('rm', ['-rf', this.dest]);
  }

  /** Makes a directory beside the destination, such as a lower layer, which is watched from then on. */
  async directory(name: string, ...members: readonly Uint8Array[]): Promise<string> {
    const path = join(this.root, name);
    await unpackLayer(tar(...members), path);
    this.#before = this.#surroundings();
    return path;
  }

  tree(): Tree {
    return readTree(this.dest);
  }

  read(path: string): string {
    return readFileSync(join(this.dest, path), 'utf8');
  }

  /** Nothing beside the destination changed, and no staging directory stayed. */
  assertUntouched(): void {
    expect(diffTrees(this.#before, this.#surroundings()), 'changes outside the destination').toEqual([]);
  }

  remove(): void {
    this.empty();
    rmSync(this.root, { recursive: true });
  }

  #surroundings(): Tree {
    const tree = new Map(readTree(this.root, { except: ['dest'] }));
    tree.delete('.'); // its time changes with the destination's coming and going
    return tree;
  }
}

/** `test` with a sandbox, which is checked once the test is over. */
export const test = base.extend<{ box: Sandbox }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
  box: async ({}, use) => {
    const box = new Sandbox();
    try {
      await use(box);
      box.assertUntouched();
    } finally {
      box.remove();
    }
  },
});

/** The typed error a promise fails with; anything else is a defect. */
export async function failureOf(work: PromiseLike<unknown>): Promise<OverlayerError> {
  const error = await work.then(
    () => expect.unreachable('it did not fail'),
    (reason: unknown) => reason,
  );
  if (!OverlayerError.is(error)) throw error;
  expect(error.code, error.stack).not.toBe('Internal');
  return error;
}

function plantSentinel(path: string): void {
  mkdirSync(join(path, 'bin'), { recursive: true });
  mkdirSync(join(path, 'etc'));
  const files = { passwd: 0o600, 'etc/shadow': 0o400, 'bin/su': 0o4755, 'etc/empty': 0o644 };
  for (const [name, mode] of Object.entries(files)) {
    writeFileSync(join(path, name), name === 'etc/empty' ? '' : `sentinel ${name}`);
    chmodSync(join(path, name), mode);
  }
  symlinkSync('passwd', join(path, 'link'));
  for (const name of [...Object.keys(files), 'link', 'bin', 'etc', '.'])
    lutimesSync(join(path, name), 1e9, 1e9);
}
