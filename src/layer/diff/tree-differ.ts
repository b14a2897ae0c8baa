import { isDirectory, OPEN_DIRECTORY, withChild } from '../../rootfs/directory.js';
import { statIfThere } from '../../rootfs/lower-layers.js';
import type { WalkedEntry } from '../../rootfs/walk-tree.js';
import type { System } from '../../system/system.js';
import type { LayerWriter } from './layer-writer.js';
import { LinkedFiles } from './linked-files.js';
import { reading } from './reading.js';
import { haveSameContent } from './same-content.js';
import { describeTreeEntry, isListedAlike, type TreeEntry } from './tree-entry.js';

/** An entry, and the directory of the upper tree that it is in. */
interface PlacedEntry {
  readonly entry: TreeEntry;
  readonly parent: PlacedDirectory;
}

interface PlacedDirectory {
  readonly entry: TreeEntry;
  /** Undefined for the root. */
  readonly parent: PlacedDirectory | undefined;
  written: boolean;
}

/**
 * Compares any two trees, side by side, and writes what makes the upper of the lower: what is another, whatever
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
    reading('', () => {
      const entry = this.#root(upper);
      const root: PlacedDirectory = { entry, parent: undefined, written: true };
      if (lower === undefined || !isListedAlike(this.#root(lower), entry)) this.#writer.entry(entry);
      this.#directory(lower, upper, root);
    });
  }

  #root(descriptor: number): TreeEntry {
    const walked = { path: '', parent: descriptor, name: '.', stat: this.#system.stat(descriptor) };
    return describeTreeEntry(this.#system, walked)!;
  }

  #directory(lower: number | undefined, upper: number, directory: PlacedDirectory): void {
    const { path } = directory.entry.walked;
    const names = new Set([lower, upper].flatMap((each) => this.#names(each)));
    for (const name of [...names].sort()) {
      const below = path === '' ? name : `${path}/${name}`;
      reading(below, () => {
        const find = (parent: number | undefined) => this.#find(parent, name, below);
        this.#name(find(lower), find(upper), directory, below);
      });
    }
  }

  #names(directory: number | undefined): string[] {
    return directory === undefined ? [] : this.#system.list(directory).map(({ name }) => name);
  }

  #find(parent: number | undefined, name: string, path: string): WalkedEntry | undefined {
    const stat = parent === undefined ? undefined : statIfThere(this.#system, parent, name);
    return stat && { path, parent: parent!, name, stat };
  }

  #name(
    lower: WalkedEntry | undefined,
    upper: WalkedEntry | undefined,
    parent: PlacedDirectory,
    path: string,
  ): void {
    if (lower?.stat.isMountRoot || upper?.stat.isMountRoot) return;
    const before = lower && describeTreeEntry(this.#system, lower);
    const entry = upper && describeTreeEntry(this.#system, upper);
    if (entry === undefined) {
      if (before !== undefined) this.#remove(path, parent);
    } else if (isDirectory(entry.walked.stat)) this.#enter(before, entry, parent);
    else this.#file(before, { entry, parent });
  }

  #remove(path: string, parent: PlacedDirectory): void {
    this.#include(parent);
    this.#writer.whiteout(path);
  }

  #enter(before: TreeEntry | undefined, entry: TreeEntry, parent: PlacedDirectory): void {
    const directory: PlacedDirectory = { entry, parent, written: false };
    if (before === undefined || !isListedAlike(before, entry)) this.#include(directory);
    const enter = (walked: WalkedEntry, use: (descriptor: number) => void) =>
      withChild(this.#system, walked.parent, walked.name, OPEN_DIRECTORY, use);
    enter(entry.walked, (upper) => {
      if (before === undefined || !isDirectory(before.walked.stat))
        this.#directory(undefined, upper, directory);
      else enter(before.walked, (lower) => this.#directory(lower, upper, directory));
    });
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
    if (directory.written) return;
    if (directory.parent !== undefined) this.#include(directory.parent);
    directory.written = true;
    this.#writer.entry(directory.entry);
  }
}
