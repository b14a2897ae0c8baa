import { type FileFacts, factsOf, type ListedOperation } from './image-file.js';
import type { SeenPaths } from './seen-paths.js';

/** Memory of a hard link that waits for its target, without its names. */
const LINK_BYTES = 400;
/** Memory of a hidden hard link, without its names. */
const ALIAS_BYTES = 150;

/**
 * Files that are in the merged tree as hard links alone, because the path of the file itself is hidden. A file comes under the
 * name of the first such link: from the layer of the link, which is read again, or from a lower layer.
 *
 * Such images are rare: a later layer replaces or removes one of several names of a file.
 */
export class HiddenTargets {
  readonly #seen: SeenPaths;
  readonly #keep: (bytes: number) => void;
  /** Links by the path of the file. */
  #wanted = new Map<string, FileFacts[]>();
  /** Links of this layer. */
  #links = new Map<string, FileFacts[]>();
  /** Hidden hard links of this layer, and the files that they are names of. */
  #aliases = new Map<string, string>();
  readonly #found = new Set<string>();
  /** Targets of links, while the layer is read again. */
  readonly #linked = new Set<string>();

  constructor(seen: SeenPaths, keep: (bytes: number) => void) {
    this.#seen = seen;
    this.#keep = keep;
  }

  /** A hard link that is in the merged tree. @returns undefined when its target has to be found first */
  link(link: FileFacts): FileFacts | undefined {
    const target = this.#fileOf(link.linkPath);
    const isListed = target !== link.path && this.#seen.entryAt(target)?.layer === link.layer;
    if (isListed) return { ...link, linkPath: target };
    this.#keep(LINK_BYTES + link.path.length + target.length);
    add(this.#links, target, [link]);
    return undefined;
  }

  /** An entry whose path is hidden. @returns it under the name of a link, if there is one */
  hidden(operation: ListedOperation, place: Pick<FileFacts, 'layer' | 'layerDigest'>): FileFacts | undefined {
    const { op, path } = operation;
    if (op === 'directory') return undefined;
    const links = this.#wanted.get(path);
    if (op !== 'hardlink') return links && this.#find(operation, links, place);
    const target = this.#fileOf(operation.linkPath);
    this.#keep(ALIAS_BYTES + path.length + target.length);
    this.#aliases.set(path, target);
    if (links === undefined) return undefined;
    this.#wanted.delete(path);
    add(this.#links, target, links);
    return undefined;
  }

  /** The layer was read. @returns links whose files come from a lower layer under their own names */
  *endLayer(): Generator<FileFacts, void, void> {
    yield* this.#foundLinks();
    for (const [target, all] of this.#links) {
      const links = all.filter((link) => this.#isLast(link));
      if (links.length > 0 && this.#seen.hidesFile(target)) add(this.#wanted, target, links);
      else for (const link of links) yield { ...link, linkPath: target };
    }
  }

  /** Whether files are wanted that only lower layers may have. */
  get isWaiting(): boolean {
    return this.#wanted.size > 0;
  }

  /** Whether the layer may have files that are wanted, so that it has to be read again. */
  get needsLayerAgain(): boolean {
    return [...this.#links.keys()].some((target) => this.#wanted.has(target));
  }

  /** @returns the file under the name of a link, if it is wanted */
  again(operation: ListedOperation, place: Pick<FileFacts, 'layer' | 'layerDigest'>): FileFacts | undefined {
    const { op, path } = operation;
    // A later file with the path of a target is another file.
    if (op === 'hardlink') this.#linked.add(this.#fileOf(operation.linkPath));
    const links = this.#wanted.get(path);
    if (links === undefined || op === 'directory' || op === 'hardlink' || this.#linked.has(path))
      return undefined;
    return this.#find(operation, links, place);
  }

  /** The layer was read again, or need not be. @returns further names of files that were found */
  *next(): Generator<FileFacts, void, void> {
    yield* this.#foundLinks();
    this.#links = new Map();
    this.#aliases = new Map();
    this.#linked.clear();
  }

  #find(
    operation: ListedOperation,
    links: readonly FileFacts[],
    place: Pick<FileFacts, 'layer' | 'layerDigest'>,
  ): FileFacts {
    const again = this.#found.has(operation.path);
    this.#found.add(operation.path);
    return { ...factsOf(operation, { ...place, again }), path: links[0]!.path };
  }

  *#foundLinks(): Generator<FileFacts, void, void> {
    for (const target of this.#found) {
      const [first, ...others] = this.#wanted.get(target) ?? [];
      for (const link of others) yield { ...link, linkPath: first!.path };
      this.#wanted.delete(target);
    }
    this.#found.clear();
  }

  /** Whether no later entry has replaced the link. */
  #isLast({ path, layer, linkPath }: FileFacts): boolean {
    const entry = this.#seen.entryAt(path);
    return entry?.op === 'hardlink' && entry.layer === layer && entry.link === linkPath;
  }

  #fileOf(target: string): string {
    return this.#aliases.get(target) ?? target;
  }
}

function add(links: Map<string, FileFacts[]>, target: string, more: readonly FileFacts[]): void {
  const known = links.get(target);
  if (known === undefined) links.set(target, [...more]);
  else known.push(...more);
}
