import { dirname, isAbsolute, join } from 'node:path';

/** Not imported: webpack replaces the calls of an imported `createRequire`, and looks up the names when it bundles. */
const nodeModule = process.getBuiltinModule('node:module');

/**
 * A bundler puts this module into a file of the app's, so no other file of the package lies at a fixed place beside it.
 * Native addons, the threads' files and `.proto` files are looked up as Node looks up packages: from this module, then from
 * the main program, because webpack replaces `import.meta.url` with the path on the machine that built the bundle.
 */
function lookups(): NodeJS.Require[] {
  const places = [bundlePath(), process.argv[1]].filter((place) => place !== undefined);
  return places.filter(isPlace).map((place) => nodeModule.createRequire(place));
}

/** @returns URL or path of this module, or of the bundle that contains it */
export function bundlePath(): string | undefined {
  // A CommonJS bundle has no `import.meta.url`.
  return import.meta.url ?? (typeof __filename === 'string' ? __filename : undefined);
}

function isPlace(place: string): boolean {
  return place.startsWith('file:') || isAbsolute(place);
}

/** @returns the folder of the installed package; undefined when the package is not installed where the app runs */
export function findPackage(): string | undefined {
  for (const require of lookups())
    try {
      return dirname(require.resolve('overlayer/package.json'));
    } catch {
      // The next place may have it.
    }
  return undefined;
}

/**
 * Loads a package that may be absent. A bundler does not see the name, so native addons always stay out of the bundle.
 *
 * @param load is called with the `require` of one place after the other, until it does not throw
 * @throws what `load` threw, when no place has a package that loads
 */
export function requireOptional(
  name: string,
  load: (require: NodeJS.Require) => unknown = (require) => require(name),
): unknown {
  const failures: unknown[] = [];
  for (const require of ownLookups())
    try {
      return load(require);
    } catch (error) {
      failures.push(error);
    }
  throw failures.find((error) => !isNotFound(error)) ?? failures[0];
}

/** `findPackage` takes 2 ms, so it is called last. */
function* ownLookups(): Iterable<NodeJS.Require> {
  yield* lookups();
  // pnpm lets only overlayer itself see overlayer's dependencies.
  const folder = findPackage();
  if (folder !== undefined) yield nodeModule.createRequire(join(folder, 'package.json'));
}

/** The package, or a file of it (an addon that is not built), is absent. */
export function isNotFound(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
}
