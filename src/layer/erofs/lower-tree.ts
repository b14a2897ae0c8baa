import type { ErofsType } from '../../erofs/format.js';
import { OVERLAY_PREFIXES } from '../../rootfs/lower-layers.js';

/**
 * One lower layer as it is stored: in overlay form, with devices 0:0 and overlayfs's marks, and not merged with the
 * layers below it.
 */
export interface LowerLayer extends Disposable {
  readonly root: LowerNode;
  /** The attributes of `root` say nothing: the layer has no entry for it, and was unpacked without lower layers. */
  readonly inheritsRoot: boolean;
  /** @returns undefined when the directory does not have the name */
  lookup(directory: LowerNode, name: string): LowerNode | undefined;
  /** All names in a directory, without `.` and `..`. */
  list(directory: LowerNode): readonly string[];
}

/** A file of a lower layer. */
export interface LowerNode {
  readonly type: ErofsType | 'socket';
  /** Permission bits: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly size: number;
  readonly devMajor: number;
  readonly devMinor: number;
  /** All extended attributes, marks of overlayfs included. */
  xattrs(): ReadonlyMap<string, Uint8Array>;
  /** The target of a symlink. */
  target(): string;
  /** The data of a regular file. Valid until the layer is disposed of. */
  data(): LowerData;
}

/** Data of a file in a lower layer. */
export interface LowerData {
  /** Reads like pread(2). @returns bytes read; 0 at the end */
  read(into: Uint8Array, position: number): number;
}

/** A directory as the lower layers show it: the directories that merge, nearest first. Empty: none of them has it. */
export type LowerDirectory = readonly { readonly layer: LowerLayer; readonly node: LowerNode }[];

/** A name as the lower layers show it. */
export type LowerName =
  | { readonly kind: 'directory'; readonly directory: LowerDirectory }
  | { readonly kind: 'other'; readonly node: LowerNode };

const OPAQUE = 0x79; // y

/** The merge of lower layers, as overlayfs shows it. It holds no files itself: the caller disposes of the layers. */
export class LowerTree {
  readonly root: LowerDirectory;

  /** @param layers nearest first; one at least */
  constructor(layers: readonly LowerLayer[]) {
    this.root = layers.map((layer) => ({ layer, node: layer.root }));
  }

  /** How many layers there are. */
  get length(): number {
    return this.root.length;
  }

  /** Whether the layers show a name at a path. Symlinks on the path are not followed. */
  has(path: string): boolean {
    const names = path.split('/');
    const last = names.pop()!;
    let directory = this.root;
    for (const name of names) {
      const found = this.lookup(directory, name);
      if (found?.kind !== 'directory') return false;
      directory = found.directory;
    }
    return this.lookup(directory, last) !== undefined;
  }

  /** @returns undefined when no layer has the name, or a layer above hides it */
  lookup(directory: LowerDirectory, name: string): LowerName | undefined {
    const merged: LowerDirectory[number][] = [];
    for (const { layer, node } of directory) {
      const found = layer.lookup(node, name);
      if (found === undefined) continue;
      if (found.type !== 'directory') {
        // It hides all layers below, and a directory above hides it.
        if (merged.length > 0 || isWhiteout(found)) break;
        return { kind: 'other', node: found };
      }
      merged.push({ layer, node: found });
      if (isOpaque(found)) break;
    }
    return merged.length > 0 ? { kind: 'directory', directory: merged } : undefined;
  }

  /** Names that some layer has in the directory; a layer above may hide them. In one order, on every file system. */
  names(directory: LowerDirectory): ReadonlySet<string> {
    return new Set(directory.flatMap(({ layer, node }) => layer.list(node)).sort());
  }
}

/**
 * The root that layers show: that of the nearest layer that lists it, else that of the lowest layer.
 *
 * @param layers nearest first; the iteration ends at the layer that lists it
 * @returns undefined without layers
 */
export function shownRoot(layers: Iterable<LowerLayer>): LowerNode | undefined {
  let shown: LowerNode | undefined;
  for (const { root, inheritsRoot } of layers) {
    shown = root;
    if (!inheritsRoot) break;
  }
  return shown;
}

function isOpaque(node: LowerNode): boolean {
  const xattrs = node.xattrs();
  return OVERLAY_PREFIXES.some((prefix) => xattrs.get(`${prefix}opaque`)?.[0] === OPAQUE);
}

/** A device 0:0, or an empty file that says so (kernel documentation, overlayfs.rst, "whiteouts and opaque directories"). */
function isWhiteout(node: LowerNode): boolean {
  if (node.type === 'character-device') return node.devMajor === 0 && node.devMinor === 0;
  if (node.type !== 'file' || node.size !== 0) return false;
  const xattrs = node.xattrs();
  return OVERLAY_PREFIXES.some((prefix) => xattrs.has(`${prefix}whiteout`));
}
