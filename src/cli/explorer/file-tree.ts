import { displayPath, type ExploredFile, type PathChange } from '../../index.js';

/** The letter of an entry: added, changed, removed, metadata changed; a space in the merged tree. */
export type Mark = ' ' | 'A' | 'C' | 'D' | 'M';

/** An entry of a tree that is shown. */
export interface TreeNode {
  /** As a terminal may show it. */
  readonly name: string;
  /** As the image has it; '' for the root. */
  readonly path: string;
  readonly depth: number;
  readonly isDirectory: boolean;
  mark: Mark;
  /** Bytes of the file, or of all files below the directory. */
  bytes: number;
  /** Entries below a directory. */
  entries: number;
  /** More about it, such as the target of a symlink. */
  note: string;
  readonly children: TreeNode[];
}

interface Item {
  readonly path: string;
  readonly isDirectory: boolean;
  readonly mark: Mark;
  readonly bytes: number;
  readonly note: string;
}

/** The merged tree of an image. */
export function treeOfFiles(files: Iterable<ExploredFile>): TreeNode {
  return buildTree(files, ({ path, type, size, layer, linkPath, linkTo }) => ({
    path,
    isDirectory: type === 'directory',
    mark: ' ',
    bytes: size,
    note: `${linkPath === '' ? '' : `→ ${displayPath(linkPath)} `}${linkTo === undefined ? '' : `= /${displayPath(linkTo)} `}layer ${layer}`,
  }));
}

const MARKS = { added: 'A', changed: 'C', removed: 'D' } as const;

/** What a layer changed. The bytes of a removed file are those that it had. */
export function treeOfChanges(changes: Iterable<PathChange>): TreeNode {
  return buildTree(changes, ({ path, type, kind, sizeBefore, sizeAfter, metadataOnly }) => ({
    path,
    isDirectory: type === 'directory',
    mark: metadataOnly ? 'M' : MARKS[kind],
    bytes: kind === 'removed' ? sizeBefore : sizeAfter,
    note: '',
  }));
}

function buildTree<T>(entries: Iterable<T>, itemOf: (entry: T) => Item): TreeNode {
  const root = newNode('', true, 0);
  const byPath = new Map([['', root]]);
  const directoryAt = (path: string): TreeNode => {
    let at = byPath.get(path);
    if (at !== undefined) return at;
    at = root;
    for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
      const part = slash < 0 ? path : path.slice(0, slash);
      let next = byPath.get(part);
      if (next === undefined) {
        next = newNode(part, true, at.depth + 1);
        byPath.set(part, next);
        at.children.push(next);
      }
      at = next;
      if (slash < 0) return at;
    }
  };
  for (const entry of entries) {
    const { path, isDirectory, mark, bytes, note } = itemOf(entry);
    const above = directoryAt(path.slice(0, Math.max(path.lastIndexOf('/'), 0)));
    const node = isDirectory ? directoryAt(path) : newNode(path, false, above.depth + 1);
    if (!isDirectory) above.children.push(node);
    node.mark = mark;
    node.note = note;
    for (let at = path; at !== ''; ) {
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
      const directory = byPath.get(at)!;
      directory.bytes += bytes;
      directory.entries += 1;
    }
    if (!isDirectory) node.bytes = bytes;
  }
  for (const { children } of byPath.values()) children.sort(byBytes);
  return root;
}

function newNode(path: string, isDirectory: boolean, depth: number): TreeNode {
  const name = displayPath(path.slice(path.lastIndexOf('/') + 1));
  return { name, path, depth, isDirectory, mark: ' ', bytes: 0, entries: 0, note: '', children: [] };
}

/** The largest first, and then by name. */
function byBytes(one: TreeNode, other: TreeNode): number {
  return other.bytes - one.bytes || (one.name < other.name ? -1 : 1);
}

/** More rows are not shown: a person narrows the filter. */
const MAX_ROWS = 200_000;

/**
 * The rows that are shown, from top to bottom.
 *
 * @param open directories whose children are shown
 * @param filter shows only entries whose path has this text, in any case, and the directories that lead to them
 */
export function rowsOf(root: TreeNode, open: ReadonlySet<TreeNode>, filter: string): readonly TreeNode[] {
  const wanted = filter.toLowerCase();
  const leads = wanted === '' ? undefined : matching(root, wanted);
  const rows: TreeNode[] = [];
  const stack = [...root.children].reverse();
  for (let node = stack.pop(); node !== undefined && rows.length < MAX_ROWS; node = stack.pop()) {
    if (leads !== undefined && !leads.has(node)) continue;
    rows.push(node);
    if (leads === undefined ? open.has(node) : node.isDirectory)
      for (let at = node.children.length - 1; at >= 0; at--) stack.push(node.children[at]!);
  }
  return rows;
}

/** The nodes whose path has the text, and those that lead to them. */
function matching(root: TreeNode, wanted: string): ReadonlySet<TreeNode> {
  const found = new Set<TreeNode>();
  const above: TreeNode[] = [];
  const stack = [...root.children];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    above.length = node.depth - 1;
    above.push(node);
    if (displayPath(node.path).toLowerCase().includes(wanted)) for (const each of above) found.add(each);
    stack.push(...node.children);
  }
  return found;
}
