import { O, type System, SystemError } from './system.js';

/** The kernel's limit. */
const MAX_SYMLINKS = 40;
const ON_THE_WAY = O.PATH | O.DIRECTORY;

export interface ResolveCalls extends Pick<System, 'openAt' | 'close'> {
  /** The target of a symlink; undefined for anything else, or when the name does not exist. */
  targetOf(directory: number, name: string): string | undefined;
}

/**
 * Replaces openat2(2) with RESOLVE_IN_ROOT when the kernel lacks it (Linux before 5.6) or a sandbox blocks it. Resolves name
 * by name, each below the descriptor of the one before. No symlink and no `..` is ever opened, so concurrent changes of the
 * tree can't lead out of it.
 */
export function resolveInRoot(
  calls: ResolveCalls,
  root: number,
  path: string,
  flags: number,
  symlinks: 'follow' | 'refuse',
): number {
  using way = new Way(calls, root);
  const todo = namesOf(path);
  for (let links = 0; todo.length > 0; ) {
    const name = todo.pop()!;
    if (name === '..') {
      way.up();
      continue;
    }
    const target = calls.targetOf(way.directory, name);
    if (target === undefined) {
      if (todo.length === 0) return calls.openAt(way.directory, name, flags, 0);
      way.enter(name);
      continue;
    }
    if (symlinks === 'refuse' || ++links > MAX_SYMLINKS) throw new SystemError('ELOOP', 'openat', path);
    if (target.startsWith('/')) way.restart([]);
    todo.push(...namesOf(target));
  }
  return calls.openAt(way.directory, '.', flags, 0);
}

/** Names in reverse order. */
function namesOf(path: string): string[] {
  return path
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .reverse();
}

/** The way from the root to a directory. Only the directory's descriptor is kept open. */
class Way implements Disposable {
  readonly #calls: ResolveCalls;
  readonly #root: number;
  #names: readonly string[] = [];
  #directory: number;

  constructor(calls: ResolveCalls, root: number) {
    this.#calls = calls;
    this.#root = root;
    this.#directory = root;
  }

  get directory(): number {
    return this.#directory;
  }

  enter(name: string): void {
    const next = this.#calls.openAt(this.#directory, name, ON_THE_WAY, 0);
    this[Symbol.dispose]();
    this.#directory = next;
    this.#names = [...this.#names, name];
  }

  /** Goes to the parent; the root is its own parent. */
  up(): void {
    this.restart(this.#names.slice(0, -1));
  }

  restart(names: readonly string[]): void {
    this[Symbol.dispose]();
    this.#directory = this.#root;
    this.#names = [];
    for (const name of names) this.enter(name);
  }

  [Symbol.dispose](): void {
    if (this.#directory !== this.#root) this.#calls.close(this.#directory);
  }
}
