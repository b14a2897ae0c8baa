import { cleanPath } from '../../layer/plan/clean-path.js';
import type { EntryType } from '../../tar/types.js';

/** Symlinks of one path, as many as the kernel follows. */
export const MAX_LINKS = 40;

/** The known part of a tree, whose names are numbers. */
interface Names<Entry> {
  readonly root: number;
  /** @returns `unknown` when layers decide that were not read. A directory may have no entry */
  lookUp(
    directory: number,
    text: string,
  ): { readonly name: number; readonly entry: Entry | undefined } | 'absent' | 'unknown';
}

/** Where a path leads, by the layers that were read so far. */
export type Found<Entry> =
  /** Something that is neither a directory nor a symlink. */
  | { readonly kind: 'entry'; readonly path: string; readonly entry: Entry }
  | { readonly kind: 'directory'; readonly path: string }
  /** No layer has it, or a layer removed it. */
  | { readonly kind: 'absent'; readonly path: string }
  /** The path leads through something that is no directory. */
  | { readonly kind: 'no-directory'; readonly path: string }
  | { readonly kind: 'too-many-links'; readonly path: string }
  /** Lower layers decide. `path` is where it leads if all missing names are directories. */
  | { readonly kind: 'unknown'; readonly path: string };

/** Follows a path through symlinks, inside the root. */
export function findInLayers<Entry extends { readonly op: EntryType; readonly link: string }>(
  names: Names<Entry>,
  path: string,
): Found<Entry> {
  const todo = path.split('/').reverse();
  /** The directories that lead to the current one, which is the last. */
  let open: { readonly name: number; readonly text: string }[] = [];
  const pathOf = (...more: readonly string[]) => [...open.map(({ text }) => text), ...more].join('/');
  for (let links = 0; todo.length > 0; ) {
    const text = todo.pop()!;
    if (text === '' || text === '.') continue;
    if (text === '..') {
      open.pop();
      continue;
    }
    const found = names.lookUp(open.at(-1)?.name ?? names.root, text);
    if (found === 'absent') return { kind: 'absent', path: pathOf(text) };
    if (found === 'unknown')
      return { kind: 'unknown', path: cleanPath(pathOf(text, ...todo.toReversed())).path };
    const { name, entry } = found;
    if (entry === undefined || entry.op === 'directory') {
      open.push({ name, text });
      continue;
    }
    const here = pathOf(text);
    if (entry.op !== 'symlink')
      return todo.every((rest) => rest === '' || rest === '.')
        ? { kind: 'entry', path: here, entry }
        : { kind: 'no-directory', path: here };
    links += 1;
    if (links > MAX_LINKS) return { kind: 'too-many-links', path: here };
    if (entry.link.startsWith('/')) open = [];
    todo.push(...entry.link.split('/').reverse());
  }
  return { kind: 'directory', path: pathOf() };
}
