import { OverlayerError } from '../base/errors.js';
import { displayPath } from '../base/path-bytes.js';
import { NONE } from '../erofs/records.js';
import type { LayerResult } from '../layer/options.js';
import type { DiffID } from '../oci/digest.js';
import type {
  ExploredDirectory,
  ExploredFile,
  ExploredImage,
  ExploredLayer,
  ExploredType,
  FileVersion,
  PathChange,
  Waste,
} from './explored-image.js';
import { findWaste } from './find-waste.js';
import { type Change, type ImageTree, ROOT } from './image-tree.js';
import { choosePaths, findPath, walkTree } from './tree-walk.js';

const SETUID_OR_SETGID = 0o6000;

/** What is known of an image beside its files. */
export type ImageFacts = Pick<ExploredImage, 'name' | 'digest' | 'platform' | 'createdAt'>;

/** A layer that was read, and its step in the history. */
export interface ReadLayer {
  readonly result: LayerResult;
  readonly diffID: DiffID | undefined;
  readonly command: string | undefined;
}

/** The tree of an explored image. No public type mentions it. */
export let treeOf: (image: ExploredImage) => ImageTree;

/** An explored image on its tree. */
export class ExploredTree implements ExploredImage {
  static {
    treeOf = (image) => {
      if (image instanceof ExploredTree) return image.#tree;
      throw new OverlayerError('InvalidArgument', 'Not an image that exploreImage has read');
    };
  }

  readonly name: ExploredImage['name'];
  readonly digest: ExploredImage['digest'];
  readonly platform: ExploredImage['platform'];
  readonly createdAt: ExploredImage['createdAt'];
  readonly layers: readonly ExploredLayer[];
  readonly entries: number;
  readonly size: number;
  readonly layerBytes: number;
  readonly wastedBytes: number;
  readonly efficiency: number;
  readonly setuid: readonly string[];
  readonly #tree: ImageTree;
  #waste: readonly Waste[] | undefined;

  constructor(
    tree: ImageTree,
    { name, digest, platform, createdAt }: ImageFacts,
    layers: readonly ReadLayer[],
  ) {
    this.#tree = tree;
    this.name = name;
    this.digest = digest;
    this.platform = platform;
    this.createdAt = createdAt;
    this.efficiency = efficiencyOf(tree);
    this.entries = choosePaths(tree);
    this.setuid = findSetuid(tree);
    this.layers = describeLayers(tree, layers);
    this.layerBytes = this.layers.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    this.wastedBytes = this.layers.reduce((sum, { hiddenBytes }) => sum + hiddenBytes, 0);
    this.size = this.layerBytes - this.wastedBytes;
  }

  waste(): readonly Waste[] {
    this.#waste ??= findWaste(this.#tree);
    return this.#waste;
  }

  *files(directory = ''): Generator<ExploredFile, void, void> {
    const tree = this.#tree;
    const top = findPath(tree, directory);
    if (top === NONE || tree.nodeOf(top) === NONE)
      throw new OverlayerError('NotFound', `"${displayPath(directory)}" is not in the image`);
    for (const walked of walkTree(tree, top)) yield this.#describe(walked);
  }

  directories(): readonly ExploredDirectory[] {
    const tree = this.#tree;
    const bytes = new Float64Array(tree.paths);
    const entries = new Uint32Array(tree.paths);
    // The number of a directory is smaller than those of the paths in it.
    for (let path = tree.paths - 1; path > ROOT; path--) {
      const node = tree.nodeOf(path);
      if (node === NONE) continue;
      const parent = tree.parentOf(path);
      bytes[parent]! += bytes[path]! + (tree.nodes.ownPathOf(node) === path ? tree.nodes.sizeOf(node) : 0);
      entries[parent]! += entries[path]! + 1;
    }
    const all = [{ path: '', bytes: bytes[ROOT]!, entries: entries[ROOT]! }];
    for (const { path, text } of walkTree(tree, ROOT, { onlyDirectories: true }))
      all.push({ path: text, bytes: bytes[path]!, entries: entries[path]! });
    return all;
  }

  changes(layer: number): readonly PathChange[] {
    const tree = this.#tree;
    if (!(layer in this.layers))
      throw new OverlayerError('NotFound', `The image has no layer ${layer}`, {
        hint: `its layers are 0 to ${this.layers.length - 1}`,
      });
    const changes: PathChange[] = [];
    for (const change of tree.changesOf(layer)) {
      const described = describeChange(tree, change);
      if (described !== undefined && change.path !== ROOT)
        changes.push({ ...described, path: tree.textOf(change.path) });
    }
    return changes.sort((one, other) => (one.path < other.path ? -1 : 1));
  }

  history(path: string): readonly FileVersion[] {
    const tree = this.#tree;
    const found = findPath(tree, path);
    if (found === NONE) return [];
    const versions: FileVersion[] = [];
    for (const change of tree.historyOf(found)) {
      const described = describeChange(tree, change);
      if (described !== undefined) versions.push({ ...described, layer: change.layer });
    }
    return versions.reverse();
  }

  #describe({ path, node, text }: { path: number; node: number; text: string }): ExploredFile {
    const tree = this.#tree;
    const type = tree.nodes.typeOf(node) as ExploredType;
    const isFurther = type !== 'directory' && tree.nodes.ownPathOf(node) !== path;
    return {
      path: text,
      type,
      mode: tree.nodes.modeOf(node),
      ...tree.nodes.ownerOf(node),
      size: isFurther ? 0 : tree.nodes.sizeOf(node),
      mtimeSec: tree.nodes.mtimeOf(node),
      linkPath: tree.nodes.targetOf(node),
      linkTo: isFurther ? tree.textOf(tree.nodes.ownPathOf(node)) : undefined,
      layer: tree.layerOf(path),
    };
  }
}

/** @returns undefined when the layer left the path as it was */
function describeChange(
  tree: ImageTree,
  { path, before, after }: Change,
): Omit<PathChange, 'path'> | undefined {
  const sizeOf = (node: number) =>
    node === NONE || tree.nodes.ownPathOf(node) !== path ? 0 : tree.nodes.sizeOf(node);
  const sizes = { sizeBefore: sizeOf(before), sizeAfter: sizeOf(after) };
  const typeOf = (node: number) => tree.nodes.typeOf(node) as ExploredType;
  if (after === NONE) {
    if (before === NONE) return undefined;
    return { kind: 'removed', type: typeOf(before), ...sizes, metadataOnly: false };
  }
  const type = typeOf(after);
  if (before === NONE) return { kind: 'added', type, ...sizes, metadataOnly: false };
  const metadataOnly = tree.nodes.hasSameContent(before, after);
  if (metadataOnly && tree.nodes.hasSameAttributes(before, after)) return undefined;
  return { kind: 'changed', type, ...sizes, metadataOnly };
}

function findSetuid(tree: ImageTree): readonly string[] {
  const found: string[] = [];
  for (let path = ROOT + 1; path < tree.paths; path++) {
    const node = tree.nodeOf(path);
    if (node !== NONE && tree.nodes.modeOf(node) & SETUID_OR_SETGID && tree.nodes.typeOf(node) === 'file')
      found.push(tree.textOf(path));
  }
  return found.sort();
}

function describeLayers(tree: ImageTree, layers: readonly ReadLayer[]): readonly ExploredLayer[] {
  const bytes = layers.map(() => ({ file: 0, hidden: 0 }));
  for (let node = 0; node < tree.nodes.length; node++) {
    const size = tree.nodes.sizeOf(node);
    if (size === 0) continue;
    const sums = bytes[tree.nodes.madeBy(node)]!;
    sums.file += size;
    if (tree.nodes.namesOf(node) === 0) sums.hidden += size;
  }
  return layers.map(({ result, diffID, command }, layer) => {
    const counts = { added: 0, changed: 0, removed: 0 };
    for (const change of tree.changesOf(layer)) {
      const described = change.path === ROOT ? undefined : describeChange(tree, change);
      if (described !== undefined) counts[described.kind] += 1;
    }
    const { digest, size, compressedSize, entries, anomalies } = result;
    return {
      digest: digest!,
      diffID: diffID ?? result.diffID,
      ...{ size, compressedSize, entries },
      fileBytes: bytes[layer]!.file,
      hiddenBytes: bytes[layer]!.hidden,
      ...counts,
      command,
      anomalies,
    };
  });
}

/** See `ExploredImage.efficiency`. Call it before own paths are changed: only the name of an entry has its size. */
function efficiencyOf(tree: ImageTree): number {
  const smallest = new Float64Array(tree.paths).fill(-1);
  let all = 0;
  let needed = 0;
  for (let layer = 0; layer < tree.layers; layer++)
    for (const { path, before, after } of tree.changesOf(layer)) {
      const node = after === NONE ? before : after;
      if (node === NONE || tree.nodes.isDirectory(node)) continue;
      const size = tree.nodes.ownPathOf(node) === path ? tree.nodes.sizeOf(node) : 0;
      all += size;
      const least = smallest[path]!;
      if (least >= 0 && size >= least) continue;
      needed += least < 0 ? size : size - least;
      smallest[path] = size;
    }
  return all === 0 ? 1 : needed / all;
}
