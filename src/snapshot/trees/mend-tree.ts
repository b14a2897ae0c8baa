import type { ManifestEntry } from '../../layer/manifest/manifest-entry.js';
import type { TreeDamage } from '../../layer/manifest/verify-tree.js';
import { isDirectory, withDirectory } from '../../rootfs/directory.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import { Descent } from '../../rootfs/trees/descent.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { isErrno, type System } from '../../system/system.js';
import { verifyPath } from './verify-snapshot.js';

const LINK_NAME = 'link';
/** A link needs its target first, and a directory's times change when entries are put into it. */
const PASSES = 4;

export interface MendRequest {
  readonly tree: string;
  /** The same layer, unpacked again on the same file system. Entries are moved out of it. */
  readonly spare: string;
  /** An empty directory on the same file system. */
  readonly scratch: string;
  readonly manifest: string;
}

/**
 * Restores a tree to its manifest, and changes only damaged entries. Each damaged file is replaced by one rename. A file of
 * `spare` that differs from the manifest is not used.
 *
 * @returns the damage that is left
 */
export function mendTree(system: System, request: MendRequest): readonly TreeDamage[] {
  const { tree, spare, scratch, manifest } = request;
  const unfit = new Set(verifyPath(system, spare, manifest, true).map(({ path }) => path));
  return withDirectory(system, tree, (root) =>
    withDirectory(system, spare, (from) =>
      withDirectory(system, scratch, (links) => {
        const mender = new Mender(system, root, from, links, unfit);
        for (let pass = 0; pass < PASSES; pass++) {
          const damage = verifyPath(system, tree, manifest, pass === 0);
          if (damage.length === 0) break;
          mender.mend(damage);
        }
        system.syncFileSystem(root);
        return verifyPath(system, tree, manifest, true);
      }),
    ),
  );
}

class Mender {
  readonly #system: System;
  readonly #root: number;
  readonly #spare: number;
  readonly #links: number;
  readonly #unfit: ReadonlySet<string>;

  constructor(system: System, root: number, spare: number, links: number, unfit: ReadonlySet<string>) {
    this.#system = system;
    this.#root = root;
    this.#spare = spare;
    this.#links = links;
    this.#unfit = unfit;
  }

  mend(damage: readonly TreeDamage[]): void {
    for (const { path, expected } of damage)
      if (path !== '')
        this.#ifThere(() => this.#at(path, (parent, name) => this.#place(parent, name, expected)));
    // Children come before parents, because they change their parents' times.
    for (const { expected } of [...damage].reverse())
      if (expected !== undefined && isDirectoryEntry(expected)) this.#ifThere(() => this.#describe(expected));
  }

  #place(parent: number, name: string, expected: ManifestEntry | undefined): void {
    if (expected === undefined) {
      removeTree(this.#system, parent, name);
      return;
    }
    if (expected.type !== 'hardlink' && !isDirectoryEntry(expected) && this.#unfit.has(expected.path)) return;
    const existing = statIfThere(this.#system, parent, name);
    if (isDirectoryEntry(expected)) {
      if (existing !== undefined && isDirectory(existing)) return;
      removeTree(this.#system, parent, name);
      this.#system.makeDirectory(parent, name, 0o700);
      return;
    }
    // A rename can't replace a directory.
    if (existing !== undefined && isDirectory(existing)) removeTree(this.#system, parent, name);
    if (expected.type === 'hardlink') this.#link(parent, name, expected.link!);
    else
      this.#in(this.#spare, expected.path, (from, spareName) =>
        this.#system.rename(from, spareName, parent, name),
      );
  }

  #link(parent: number, name: string, target: string): void {
    this.#at(target, (from, targetName) => this.#system.link(from, targetName, this.#links, LINK_NAME));
    this.#system.rename(this.#links, LINK_NAME, parent, name);
    // rename(2) does nothing when both names are links of one file, and leaves both names.
    removeTree(this.#system, this.#links, LINK_NAME);
  }

  /** Sets a directory's attributes: extended attributes from the spare, all others from the manifest. */
  #describe(expected: ManifestEntry): void {
    const system = this.#system;
    this.#open(this.#root, expected.path, (directory) => {
      system.chown(directory, expected.uid, expected.gid);
      this.#ifThere(() =>
        this.#open(this.#spare, expected.path, (spare) => this.#copyXattrs(spare, directory)),
      );
      system.chmod(directory, expected.mode);
      const { mtimeSec, mtimeNsec } = expected;
      system.setTimes(directory, { mtimeSec, mtimeNsec, atimeSec: mtimeSec, atimeNsec: mtimeNsec });
    });
  }

  #copyXattrs(from: number, to: number): void {
    const wanted = this.#system.listXattrs(from);
    for (const name of this.#system.listXattrs(to))
      if (!wanted.includes(name)) this.#system.removeXattr(to, name);
    for (const name of wanted) {
      const value = this.#system.getXattr(from, name);
      if (value !== undefined) this.#system.setXattr(to, name, value);
    }
  }

  #at(path: string, use: (parent: number, name: string) => void): void {
    this.#in(this.#root, path, use);
  }

  #in(root: number, path: string, use: (parent: number, name: string) => void): void {
    const slash = path.lastIndexOf('/');
    this.#open(root, path.slice(0, Math.max(slash, 0)), (parent) => use(parent, path.slice(slash + 1)));
  }

  /** Opens one component after another and follows no symlink: paths in a manifest lead through directories only. */
  #open(root: number, path: string, use: (directory: number) => void): void {
    using descent = new Descent(this.#system, root);
    if (path !== '') for (const name of path.split('/')) descent.enter(name);
    use(descent.directory);
  }

  /** The next pass finds entries that are missing now. */
  #ifThere(use: () => void): void {
    try {
      use();
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
    }
  }
}

function isDirectoryEntry({ type }: ManifestEntry): boolean {
  return type === 'directory' || type === 'opaque';
}
