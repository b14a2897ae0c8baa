import { displayPath } from '../../base/path-bytes.js';
import { formatPlatform } from '../../oci/platform.js';
import { compareExplored } from '../compare-explored.js';
import type { ExploredFile, ExploredImage, PathChange } from '../explored-image.js';
import { NOT_IN_IMAGE, type PageComparison, type PageData, type PageLayer, WHATS } from './page-format.js';

/** A path that the page shows. */
interface PagePath {
  readonly name: string;
  readonly depth: number;
  readonly children: Map<string, PagePath>;
  file: ExploredFile | undefined;
  /** The last version of a path that is not in the image. */
  gone: PathChange | undefined;
  /** Index in the preorder, once it is known. */
  node: number;
}

/** Packs an image for its page. @param before the image that it is compared with */
export function packPage(image: ExploredImage, before: ExploredImage | undefined): PageData {
  const root = newPath('', 0);
  for (const file of image.files()) pathOf(root, file.path).file = file;
  const versions = collectVersions(image, root);
  const changes = before === undefined ? [] : compareExplored(before, image);
  for (const change of changes) {
    const path = pathOf(root, change.path);
    if (path.file === undefined) path.gone ??= change;
  }
  const tree = packTree(root);
  const nodeOf = (path: string) => pathOf(root, path).node;
  return {
    image: describeImage(image),
    layers: image.layers.map(describeLayer),
    ...tree,
    history: versions.flatMap(({ path, layer, change }) => [path.node, layer, ...describeChange(change)]),
    waste: image.waste().map(({ path, copies, by, ...item }) => ({
      ...item,
      node: nodeOf(path),
      copies: copies.map(nodeOf),
      by: by ?? null,
    })),
    comparison:
      before === undefined
        ? null
        : describeComparison(
            before,
            changes.flatMap((change) => [nodeOf(change.path), ...describeChange(change)]),
          ),
  };
}

function newPath(name: string, depth: number): PagePath {
  return { name, depth, children: new Map(), file: undefined, gone: undefined, node: 0 };
}

/** Finds a path of the page, or adds it. */
function pathOf(root: PagePath, text: string): PagePath {
  let at = root;
  for (const name of text === '' ? [] : text.split('/')) {
    let child = at.children.get(name);
    if (child === undefined) {
      child = newPath(name, at.depth + 1);
      at.children.set(name, child);
    }
    at = child;
  }
  return at;
}

interface Version {
  readonly path: PagePath;
  readonly layer: number;
  readonly change: PathChange;
}

/** The versions of paths, without those of a path that one layer added, and no other has: the entry tells it. */
function collectVersions(image: ExploredImage, root: PagePath): readonly Version[] {
  const versions: Version[] = [];
  const seen = new Set<PagePath>();
  for (const layer of image.layers.keys())
    for (const change of image.changes(layer)) {
      const path = pathOf(root, change.path);
      if (path.file === undefined) path.gone = change;
      const isOnly = change.kind === 'added' && path.file?.layer === layer && !seen.has(path);
      if (isOnly) continue;
      seen.add(path);
      versions.push({ path, layer, change });
    }
  return versions;
}

function packTree(root: PagePath): Pick<PageData, 'names' | 'kinds' | 'nodes' | 'links'> {
  const names = new Index<string>();
  const kinds = new Index<string>();
  const nodes = {
    name: [] as number[],
    depth: [] as number[],
    kind: [] as number[],
    size: [] as number[],
    time: [] as number[],
    layer: [] as number[],
  };
  const links: [number, string][] = [];
  let time = 0;
  const open = [root];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const { file, gone } = path;
    path.node = nodes.name.length;
    nodes.name.push(names.of(displayPath(path.name)));
    nodes.depth.push(path.depth);
    const type = file?.type ?? gone?.type ?? 'directory';
    nodes.kind.push(kinds.of(JSON.stringify([type, file?.mode ?? 0, file?.uid ?? 0, file?.gid ?? 0])));
    nodes.size.push(file?.size ?? Math.max(gone?.sizeBefore ?? 0, gone?.sizeAfter ?? 0));
    nodes.time.push((file?.mtimeSec ?? time) - time);
    time = file?.mtimeSec ?? time;
    nodes.layer.push(file?.layer ?? (path === root ? 0 : NOT_IN_IMAGE));
    const target = file?.linkTo ?? file?.linkPath ?? '';
    if (target !== '') links.push([path.node, displayPath(target)]);
    const children = [...path.children.values()].sort((one, other) => (one.name < other.name ? 1 : -1));
    // The first name is taken from the stack first. The children of one directory may be more than the arguments of a call.
    for (const child of children) open.push(child);
  }
  return { names: names.values, kinds: kinds.values.map((kind) => JSON.parse(kind)), nodes, links };
}

/** Gives equal values the same number. */
class Index<Value> {
  readonly values: Value[] = [];
  readonly #numbers = new Map<Value, number>();

  of(value: Value): number {
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.values.push(value) - 1;
      this.#numbers.set(value, number);
    }
    return number;
  }
}

/** What, bytes before, bytes after. */
function describeChange({ kind, metadataOnly, sizeBefore, sizeAfter }: PathChange): readonly number[] {
  return [WHATS.indexOf(metadataOnly ? 'metadata' : kind), sizeBefore, sizeAfter];
}

function describeImage({ name, digest, platform, createdAt, ...image }: ExploredImage): PageData['image'] {
  const { entries, size, layerBytes, wastedBytes, efficiency } = image;
  return {
    name: displayPath(name ?? ''),
    digest: digest ?? '',
    platform: platform === undefined ? '' : displayPath(formatPlatform(platform)),
    createdAt: displayPath(createdAt ?? ''),
    ...{ entries, size, layerBytes, wastedBytes, efficiency },
  };
}

function describeLayer({ digest, command = '', ...layer }: ExploredImage['layers'][number]): PageLayer {
  const { compressedSize, fileBytes, hiddenBytes, added, changed, removed } = layer;
  // Lines of a command stay lines.
  const lines = command.replaceAll('\t', '  ').split('\n');
  return {
    digest,
    command: lines.map(displayPath).join('\n'),
    ...{ compressedSize, fileBytes, hiddenBytes, added, changed, removed },
  };
}

function describeComparison(before: ExploredImage, changes: readonly number[]): PageComparison {
  const { name, digest, size, entries } = before;
  return { name: displayPath(name ?? digest ?? 'another image'), size, entries, changes };
}
