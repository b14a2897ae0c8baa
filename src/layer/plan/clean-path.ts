/** A path without empty, `.` and `..` components. */
const CANONICAL = /^(?!\.{1,2}(?:\/|$))[^/]+(?:\/(?!\.{1,2}(?:\/|$))[^/]+)*$/;

interface CleanPath {
  /** Relative to the root; '' for the root itself. */
  readonly path: string;
  /** Whether more than a leading `./` and a trailing `/` was removed. */
  readonly changed: boolean;
}

/**
 * Resolves a name below the root by its text alone: `.` and empty components are dropped, and `..` drops a component
 * or stops at the root. Go's `path.Clean("/" + name)` gives the same, so all readers of a layer agree.
 */
export function cleanPath(name: string): CleanPath {
  let path = name.startsWith('./') ? name.slice(2) : name;
  if (path.endsWith('/')) path = path.slice(0, -1);
  if (path === '' || path === '.') return { path: '', changed: name.startsWith('/') };
  if (CANONICAL.test(path)) return { path, changed: false };
  const components: string[] = [];
  for (const component of path.split('/')) {
    if (component === '..') components.pop();
    else if (component !== '' && component !== '.') components.push(component);
  }
  return { path: components.join('/'), changed: true };
}
