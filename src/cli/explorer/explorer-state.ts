import type { ExplorerModel } from './explorer-model.js';
import { rowsOf, type TreeNode } from './file-tree.js';

/** What the screen shows at a moment. */
export interface ExplorerState {
  readonly pane: 'layers' | 'tree';
  readonly mode: 'browse' | 'filter' | 'waste' | 'help' | 'file' | 'quit';
  /** The view that is chosen, and the first row of the list of views. */
  readonly view: number;
  readonly filter: string;
  readonly trees: readonly TreeState[];
  readonly wasteCursor: number;
  readonly file: ShownFile | undefined;
}

/** A file that is read, or was read. */
export interface ShownFile {
  readonly path: string;
  /** Undefined until it is read. */
  readonly lines: readonly string[] | undefined;
  /** The first line that is shown. */
  readonly top: number;
}

/** The place in the tree of one view. */
interface TreeState {
  readonly cursor: number;
  readonly open: ReadonlySet<TreeNode>;
}

/** A key, by the name that `Key` of the screen gives it, or a character. */
export type ExplorerKey =
  | 'up'
  | 'down'
  | 'left'
  | 'right'
  | 'pageUp'
  | 'pageDown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'tab'
  | 'backspace'
  | 'interrupt'
  /** A file was read. */
  | { readonly lines: readonly string[] }
  | { readonly text: string };

export function firstState({ views }: ExplorerModel): ExplorerState {
  return {
    pane: 'layers',
    mode: 'browse',
    view: 0,
    filter: '',
    trees: views.map(() => ({ cursor: 0, open: new Set() })),
    wasteCursor: 0,
    file: undefined,
  };
}

/** The rows of the tree that is shown. */
export function shownRows(model: ExplorerModel, { view, trees, filter }: ExplorerState): readonly TreeNode[] {
  return rowsOf(model.views[view]!.tree(), trees[view]!.open, filter);
}

/**
 * What a key does.
 *
 * @param page rows of a page
 */
export function afterKey(
  model: ExplorerModel,
  state: ExplorerState,
  key: ExplorerKey,
  page: number,
): ExplorerState {
  if (key === 'interrupt') return { ...state, mode: 'quit' };
  // The person has left the file meanwhile.
  if (typeof key === 'object' && 'lines' in key && state.mode !== 'file') return state;
  switch (state.mode) {
    case 'quit':
      return state;
    case 'filter':
      return filterKey(state, key);
    case 'help':
      return { ...state, mode: 'browse' };
    case 'file':
      return fileKey(state, key, page);
    case 'waste':
      return wasteKey(model, state, key, page);
    case 'browse':
      return browseKey(model, state, key, page);
    default:
      return state.mode satisfies never;
  }
}

function filterKey(state: ExplorerState, key: ExplorerKey): ExplorerState {
  if (typeof key === 'object') return 'text' in key ? withFilter(state, state.filter + key.text) : state;
  if (key === 'backspace') return withFilter(state, [...state.filter].slice(0, -1).join(''));
  if (key === 'escape') return { ...withFilter(state, ''), mode: 'browse' };
  if (key === 'enter' || key === 'down' || key === 'tab') return { ...state, mode: 'browse', pane: 'tree' };
  return state;
}

function withFilter(state: ExplorerState, filter: string): ExplorerState {
  return { ...state, filter, trees: state.trees.map((tree) => ({ ...tree, cursor: 0 })) };
}

function fileKey(state: ExplorerState, key: ExplorerKey, page: number): ExplorerState {
  const file = state.file!;
  if (isText(key, 'q')) return { ...state, mode: 'quit' };
  if (typeof key === 'object' && 'lines' in key) return { ...state, file: { ...file, lines: key.lines } };
  if (key === 'escape' || key === 'left') return { ...state, mode: 'browse', file: undefined };
  const top = moved(file.top, Math.max((file.lines?.length ?? 0) - page + 1, 1), key, page);
  return top === undefined ? state : { ...state, file: { ...file, top } };
}

function wasteKey(
  { waste }: ExplorerModel,
  state: ExplorerState,
  key: ExplorerKey,
  page: number,
): ExplorerState {
  if (isText(key, 'q')) return { ...state, mode: 'quit' };
  if (key === 'escape' || isText(key, 'w')) return { ...state, mode: 'browse' };
  const wasteCursor = moved(state.wasteCursor, waste.length, key, page);
  return wasteCursor === undefined ? state : { ...state, wasteCursor };
}

function browseKey(
  model: ExplorerModel,
  state: ExplorerState,
  key: ExplorerKey,
  page: number,
): ExplorerState {
  if (isText(key, 'q')) return { ...state, mode: 'quit' };
  if (isText(key, '/')) return { ...state, mode: 'filter' };
  if (isText(key, '?')) return { ...state, mode: 'help' };
  if (isText(key, 'w')) return { ...state, mode: 'waste' };
  if (key === 'escape') return state.filter === '' ? state : withFilter(state, '');
  if (key === 'tab') return { ...state, pane: state.pane === 'tree' ? 'layers' : 'tree' };
  if (state.pane === 'tree') return treeKey(model, state, key, page);
  if (key === 'enter' || key === 'right') return { ...state, pane: 'tree' };
  const view = moved(state.view, model.views.length, key, page);
  return view === undefined ? state : { ...state, view };
}

function treeKey(model: ExplorerModel, state: ExplorerState, key: ExplorerKey, page: number): ExplorerState {
  const { cursor, open } = state.trees[state.view]!;
  const rows = shownRows(model, state);
  const here = rows[cursor];
  const next = moved(cursor, rows.length, key, page);
  if (next !== undefined) return withTree(state, { cursor: next, open });
  if (key === 'left' && (here === undefined || (here.depth === 1 && !open.has(here))))
    return { ...state, pane: 'layers' };
  if (here === undefined) return state;
  if (key === 'enter' || key === 'right' || key === 'left' || isText(key, ' ')) {
    if (!here.isDirectory && key !== 'left')
      return here.mark === 'D'
        ? state
        : { ...state, mode: 'file', file: { path: here.path, lines: undefined, top: 0 } };
    const isOpen = open.has(here);
    if (here.isDirectory && (key === 'right' ? !isOpen : key === 'left' ? isOpen : true))
      return withTree(state, { cursor, open: toggled(open, here) });
    if (key === 'left') return withTree(state, { cursor: parentRow(rows, cursor), open });
  }
  return state;
}

function withTree(state: ExplorerState, tree: TreeState): ExplorerState {
  return { ...state, trees: state.trees.with(state.view, tree) };
}

function toggled(open: ReadonlySet<TreeNode>, node: TreeNode): ReadonlySet<TreeNode> {
  const changed = new Set(open);
  if (!changed.delete(node)) changed.add(node);
  return changed;
}

/** The row of the directory that a row is in. */
function parentRow(rows: readonly TreeNode[], cursor: number): number {
  const { depth } = rows[cursor]!;
  for (let row = cursor - 1; row >= 0; row--) if (rows[row]!.depth < depth) return row;
  return cursor;
}

/** @returns the new place in a list of `length` rows; undefined for a key that does not move */
function moved(cursor: number, length: number, key: ExplorerKey, page: number): number | undefined {
  const last = Math.max(length - 1, 0);
  const to = (row: number) => Math.min(Math.max(row, 0), last);
  if (key === 'up' || isText(key, 'k')) return to(cursor - 1);
  if (key === 'down' || isText(key, 'j')) return to(cursor + 1);
  if (key === 'pageUp') return to(cursor - page);
  if (key === 'pageDown') return to(cursor + page);
  if (key === 'home' || isText(key, 'g')) return 0;
  if (key === 'end' || isText(key, 'G')) return last;
  return undefined;
}

function isText(key: ExplorerKey, text: string): boolean {
  return typeof key === 'object' && 'text' in key && key.text === text;
}
