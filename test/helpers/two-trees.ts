import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test as base } from 'vitest';
import { type CreateDiffOptions, unpackLayer } from '../../src/index.js';
import { type DecodedEntry, decode } from './decode.js';
import { type MadeDiff, makeDiff } from './make-diff.js';
import { diffTrees, readTree } from './tree.js';
import { makeWorkDirectory } from './work-directory.js';

/** A tree, and what became of a copy of it. */
export class TwoTrees {
  readonly root = makeWorkDirectory();
  readonly lower = join(this.root, 'lower');
  readonly upper = join(this.root, 'upper');

  /** Makes both, each by a script that runs in the tree. The root of the second has the times of the first. */
  make(before: string, after = ':'): void {
    mkdirSync(this.lower);
    inShell(this.lower, before);
    execFileSync('cp', ['--archive', this.lower, this.upper]);
    inShell(this.upper, after);
    execFileSync('touch', ['--reference', this.lower, this.upper]);
  }

  diff(options?: CreateDiffOptions): Promise<MadeDiff> {
    return makeDiff({ lower: this.lower, upper: this.upper }, options);
  }

  async entries(options?: CreateDiffOptions): Promise<DecodedEntry[]> {
    return decode((await this.diff(options)).layer);
  }

  /** Where the upper tree differs from the lower one with this layer applied: nowhere. */
  async differences({ layer }: MadeDiff): Promise<string[]> {
    const applied = join(this.root, 'applied');
    execFileSync('cp', ['--archive', this.lower, applied]);
    await unpackLayer(layer, applied, { existing: 'merge', sync: false });
    const found = diffTrees(readTree(this.upper), readTree(applied));
    rmSync(applied, { recursive: true });
    return found;
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }
}

export function inShell(directory: string, script: string): void {
  execFileSync('bash', ['-euc', script], { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
}

export const test = base.extend<{ trees: TwoTrees }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
  trees: async ({}, use) => {
    const trees = new TwoTrees();
    try {
      await use(trees);
    } finally {
      trees.remove();
    }
  },
});

/** An entry in short: what containerd's tests look at. */
export function entryText({ path, type, mode, linkPath, content }: DecodedEntry): string {
  if (type === 'hardlink') return `${path} = ${linkPath}`;
  const permissions = mode.toString(8).padStart(4, '0');
  return type === 'symlink' ? `${path} -> ${linkPath}` : `${path} ${permissions} ${content}`.trimEnd();
}
