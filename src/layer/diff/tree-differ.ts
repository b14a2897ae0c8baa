import { isDirectory } from '../../rootfs/directory.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import { Descent } from '../../rootfs/trees/descent.js';
import type { WalkedEntry } from '../../rootfs/trees/walk-tree.js';
import type { System } from '../../system/system.js';
import type { LayerWriter } from './layer-writer.js';
import { LinkedFiles } from './linked-files.js';
import { describeTreeEntry, haveSameContent, isListedAlike, reading, type TreeEntry } from './tree-entry.js';

/** An entry and its directory in the upper tree. */
interface PlacedEntry {
  readonly entry: TreeEntry;
  readonly parent: PlacedDirectory;
}

interface PlacedDirectory {
  /** Undefined once it is written: the paths of a deep tree would take memory that is quadratic in its depth. */
  entry: TreeEntry | undefined;
  /** Undefined for the root. */
  readonly parent: PlacedDirectory | undefined;
}

/** A directory that is being compared. */
interface Entered {
  readonly directory: PlacedDirectory;
  readonly name: string;
  /** Whether the lower tree has it too. */
  readonly hasLower: boolean;
  /** Names of the entries in either tree. */
  readonly names: readonly string[];
  next: number;
}

/**
 * Compares two trees of any depth side by side, and writes a layer that turns the lower one into the upper one:
 * changed entries, the directories that lead to them, and whiteouts for removed entries. Names in a directory are
 * sorted as JavaScript sorts strings.
 *
 * Like containerd (continuity, fs/diff.go), it takes files for equal when type, mode, owner, size, modification time
 * and extended attributes are. If the time has no fraction of a second, as an archive may leave it, it reads both
 * files. Unlike containerd, it compares all extended attributes, and the times of directories.
 *
 * Mounts in either tree are skipped.
 */
export class TreeDiffer {
  readonly #system: System;
  readonly #writer: LayerWriter;
  readonly #links = new LinkedFiles<PlacedEntry>();

  constructor(system: System, writer: LayerWriter) {
    this.#system = system;
    this.#writer = writer;
  }

  /**
   * @param lower undefined for an empty tree, whose root is not known either
   * @param leaveRoot the root itself is not compared
   */
  diff(lower: number | undefined, upper: number, leaveRoot = false): void {
    const root = reading('', () => this.#root(upper));
    const isNew =
      lower === undefined ||
      !isListedAlike(
        reading('', () => this.#root(lower)),
        root,
      );
    if (isNew && !leaveRoot) reading('', () => this.#writer.entry(root));
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
    // The path is not kept for each directory, as in `walkTree`.
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

  /** @returns a directory that has to be entered */
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

  /**
   * As in containerd, the first name that is written has the content. Names that were left out before become links to
   * it.
   */
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

  /** Writes the directories that lead to a change. */
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
