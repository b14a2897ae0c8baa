import { isDirectory } from '../../rootfs/directory.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import { Descent } from '../../rootfs/trees/descent.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import type { System } from '../../system/system.js';
import type { LayerWriter } from './layer-writer.js';
import { LinkedFiles } from './linked-files.js';
import { reading } from './reading.js';
import { describeTreeEntry, haveSameContent, isListedAlike, type TreeEntry } from './tree-entry.js';

/** An entry, and the directory of the upper tree that it is in. */
interface PlacedEntry {
  readonly entry: TreeEntry;
  readonly parent: PlacedDirectory;
}

interface PlacedDirectory {
  /** Undefined once it is written: kept, the paths of a deep tree would take the square of its depth. */
  entry: TreeEntry | undefined;
  /** Undefined for the root. */
  readonly parent: PlacedDirectory | undefined;
}

/** A directory that the comparison is in. */
interface Entered {
  readonly directory: PlacedDirectory;
  readonly name: string;
  /** The lower tree has it too. */
  readonly hasLower: boolean;
  /** Of what is in either tree. */
  readonly names: readonly string[];
  next: number;
}

/**
 * Compares any two trees, however deep, side by side, and writes what makes the upper of the lower: what is another, whatever
 * directories lead to it, whiteouts for what is gone. Names of directories come in the order of JavaScript's strings.
 *
 * Files are taken for the same where type, mode, owner, size, modification time and extended attributes are, as
 * containerd does (continuity, fs/diff.go). Where that time has no fraction of a second, as an archive may have left
 * it, they are read. Unlike there, all extended attributes count, and times of directories.
 *
 * What is mounted in either tree is passed over.
 */
export class TreeDiffer {
  readonly #system: System;
  readonly #writer: LayerWriter;
  readonly #links = new LinkedFiles<PlacedEntry>();

  constructor(system: System, writer: LayerWriter) {
    this.#system = system;
    this.#writer = writer;
  }

  /** @param lower undefined for an empty tree, of which not even the root is known */
  diff(lower: number | undefined, upper: number): void {
    const root = reading('', () => this.#root(upper));
    const isNew =
      lower === undefined ||
      !isListedAlike(
        reading('', () => this.#root(lower)),
        root,
      );
    if (isNew) reading('', () => this.#writer.entry(root));
    this.#walk(lower, upper, { entry: undefined, parent: undefined });
  }

  #root(descriptor: number): TreeEntry {
    const walked = { path: '', parent: descriptor, name: '.', stat: this.#system.stat(descriptor) };
    return describeTreeEntry(this.#system, walked)!;
  }

  #walk(lower: number | undefined, upper: number, root: PlacedDirectory): void {
    using above = new Descent(this.#system, upper);
    using below = new Descent(this.#system, lower ?? upper);
    const begin = (directory: PlacedDirectory, name: string, hasLower: boolean): Entered => {
      const open = hasLower ? [below.directory, above.directory] : [above.directory];
      const names = new Set(open.flatMap((each) => this.#system.list(each).map((entry) => entry.name)));
      return { directory, name, hasLower, names: [...names].sort(), next: 0 };
    };
    const entered = [reading('', () => begin(root, '', lower !== undefined))];
    // Not kept for each directory, as in `walkTree`.
    let path = '';
    for (;;) {
      const { directory, name: own, hasLower, names } = entered.at(-1)!;
      const name = names[entered.at(-1)!.next++];
      if (name === undefined) {
        entered.pop();
        if (entered.length === 0) return;
        reading(path, () => {
          above.leave();
          if (hasLower) below.leave();
        });
        path = path.slice(0, Math.max(0, path.length - own.length - 1));
        continue;
      }
      const child = path === '' ? name : `${path}/${name}`;
      reading(child, () => {
        const before = hasLower ? this.#find(below.directory, name, child) : undefined;
        const after = this.#find(above.directory, name, child);
        const placed = this.#name(before, after, directory, child);
        if (placed === undefined) return;
        above.enter(name);
        const hasBoth = before !== undefined && isDirectory(before.stat);
        if (hasBoth) below.enter(name);
        entered.push(begin(placed, name, hasBoth));
        path = child;
      });
    }
  }

  #find(parent: number, name: string, path: string): WalkedEntry | undefined {
    const stat = statIfThere(this.#system, parent, name);
    return stat && { path, parent, name, stat };
  }

  /** @returns a directory, which is to be entered */
  #name(
    lower: WalkedEntry | undefined,
    upper: WalkedEntry | undefined,
    parent: PlacedDirectory,
    path: string,
  ): PlacedDirectory | undefined {
    if (lower?.stat.isMountRoot || upper?.stat.isMountRoot) return undefined;
    const before = lower && describeTreeEntry(this.#system, lower);
    const entry = upper && describeTreeEntry(this.#system, upper);
    if (entry === undefined) {
      if (before !== undefined) this.#remove(path, parent);
    } else if (isDirectory(entry.walked.stat)) {
      const directory: PlacedDirectory = { entry, parent };
      if (before === undefined || !isListedAlike(before, entry)) this.#include(directory);
      return directory;
    } else this.#file(before, { entry, parent });
    return undefined;
  }

  #remove(path: string, parent: PlacedDirectory): void {
    this.#include(parent);
    this.#writer.whiteout(path);
  }

  /** As containerd: the first name that is written has the content; names that could be left out till then follow. */
  #file(before: TreeEntry | undefined, placed: PlacedEntry): void {
    const { entry, parent } = placed;
    const { stat, path } = entry.walked;
    const file = this.#links.get(stat);
    if (file?.written !== undefined) this.#link(placed, file.written);
    else if (before !== undefined && this.#isSame(before, entry)) file?.left.push(placed);
    else {
      this.#include(parent);
      this.#writer.entry(entry);
      if (file === undefined) return;
      file.written = path;
      for (const other of file.left.splice(0)) this.#link(other, path);
    }
  }

  #isSame(before: TreeEntry, entry: TreeEntry): boolean {
    return (
      isListedAlike(before, entry) &&
      haveSameContent(this.#system, before, entry) &&
      this.#links.areLinkedAlike(before.walked.stat, entry.walked.stat)
    );
  }

  #link({ entry, parent }: PlacedEntry, target: string): void {
    this.#include(parent);
    this.#writer.hardlink(entry, target);
  }

  /** Directories that lead to a change are listed before it. */
  #include(directory: PlacedDirectory): void {
    const missing: PlacedDirectory[] = [];
    for (let each: PlacedDirectory | undefined = directory; each?.entry !== undefined; each = each.parent)
      missing.push(each);
    for (const each of missing.reverse()) {
      this.#writer.entry(each.entry!);
      each.entry = undefined;
    }
  }
}
