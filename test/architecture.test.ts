import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The house: a room imports only rooms on a lower floor, and itself. */
const FLOORS: Readonly<Record<string, number>> = {
  base: 0,
  system: 1,
  tar: 1,
  compression: 1,
  oci: 1,
  erofs: 1,
  content: 3,
  rootfs: 2,
  layer: 3,
  metadata: 2,
  mount: 3,
  snapshot: 4,
  testing: 5,
  image: 5,
  daemon: 6,
  explore: 6,
};

/** The public entries: the only files that may re-export, and all that the command line knows of the library. */
const ENTRIES = [
  'src/index.ts',
  ...['daemon', 'erofs', 'explore', 'image', 'layer', 'snapshot', 'tar', 'testing'].map(entryOf),
];
const FOREIGN_CALLS = ['src/system/', 'src/compression/', 'src/base/natives.ts'];
/** Files that rolldown makes: threads of the room's own `…-worker.ts`, and modules of other sources of the room. */
const BUILT = /\/threads\/\w+\.cjs$|\.built\.js$|\/explorer\.mjs$/;
/** Modules that are bundled with their packages, which users do not install. */
const BUNDLED = ['src/cli/explorer/screen.tsx'];
const HARD_LOOK = 400;
/** In one folder. */
const MOST_FILES = 20;

function entryOf(room: string): string {
  return `src/${room}/index.ts`;
}

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

function sourceFiles(folder: string): SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !name.includes('node_modules') && !/(^|\/)dist\//.test(name))
    .map((name) => ({ path: join(folder, name), text: readFileSync(join(ROOT, folder, name), 'utf8') }));
}

/** Every module that a file names: static and dynamic imports, re-exports, and workers by URL. */
function imports({ path, text }: SourceFile): { readonly files: string[]; readonly packages: string[] } {
  const named = /(?:\bfrom|\bimport|\bimport\s*\(|\bnew URL\s*\()\s*(['"])(?<name>[^'"\s]+)\1/g;
  const names = [...text.matchAll(named)].map(({ groups }) => groups!['name']!);
  const relativeNames = names.filter((name) => name.startsWith('.') && !BUILT.test(name));
  return {
    files: relativeNames.map((name) => sourceOf(join(dirname(path), name))),
    packages: names.filter((name) => !/^(\.|node:)/.test(name)).map(packageName),
  };
}

function sourceOf(module: string): string {
  const source = module.replace(/\.js$/, '.ts');
  return existsSync(join(ROOT, `${source}x`)) ? `${source}x` : source;
}

function packageName(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function room(path: string): string {
  return path.split('/')[1]!;
}

function mayImport(from: string, to: string): boolean {
  if (to === 'package.json') return true;
  if (!to.startsWith('src/')) return false;
  if (from === 'src/index.ts') return room(to) !== 'cli';
  if (room(from) === room(to)) return true;
  if (room(from) === 'cli') return ENTRIES.includes(to);
  return FLOORS[room(to)]! < FLOORS[room(from)]!;
}

/** What is wrong with a file's imports, a line each. */
function violations(file: SourceFile): string[] {
  const { files, packages } = imports(file);
  const wrong = files.filter((name) => !mayImport(file.path, name));
  const mayCallC = FOREIGN_CALLS.some((folder) => file.path.startsWith(folder));
  if (!mayCallC && packages.includes('koffi')) wrong.push('koffi');
  if (!mayCallC && /\bloadKoffi\b/.test(file.text)) wrong.push('koffi');
  return wrong.map((name) => `${file.path} imports ${name}`);
}

const sources = sourceFiles('src');
const everything = [...sources, ...sourceFiles('test'), ...sourceFiles('native-bench')];

describe('the rule finds', () => {
  const found = (path: string, text: string) => violations({ path, text });

  test.each([
    ['an upward import', 'src/tar/x.ts', "import { a } from '../layer/a.js';"],
    ['an upward type', 'src/base/x.ts', "import type { A } from '../tar/a.js';"],
    ['a sideways import', 'src/tar/x.ts', "import { a } from '../compression/a.js';"],
    ['a dynamic import', 'src/rootfs/x.ts', "const a = await import('../layer/a.js');"],
    ['an import over several lines', 'src/oci/x.ts', "import {\n  a,\n  b,\n} from '../layer/a.js';"],
    ['an import for its effect', 'src/oci/x.ts', "import '../layer/a.js';"],
    ['a re-export', 'src/base/x.ts', "export { a } from '../oci/a.js';"],
    ['a worker', 'src/base/x.ts', "new Worker(new URL('../layer/worker/a.js', import.meta.url));"],
    ['the library inside the command line', 'src/cli/x.ts', "import { a } from '../base/a.js';"],
    ['the command line in the library', 'src/index.ts', "import { a } from './cli/a.js';"],
    ['the tests', 'src/base/x.ts', "import { a } from '../../test/a.js';"],
    ['the benchmark', 'src/base/x.ts', "import { a } from '../../native-bench/a.js';"],
    ['a foreign call outside its rooms', 'src/layer/x.ts', "import { loadKoffi } from '../base/natives.js';"],
    ['its package outside its rooms', 'src/layer/x.ts', "import koffi from 'koffi';"],
  ])('%s', (_, path, text) => {
    expect(found(path, text)).toHaveLength(1);
  });

  test('nothing wrong with a downward import', () => {
    expect(found('src/layer/x.ts', "import { a } from '../tar/a.js';\nimport { b } from './b.js';")).toEqual(
      [],
    );
    expect(found('src/system/x.ts', "import koffi from 'koffi';\nimport fs from 'node:fs';")).toEqual([]);
  });
});

test('every room has its floor', () => {
  const rooms = new Set(sources.map(({ path }) => room(path)).filter((name) => !name.endsWith('.ts')));
  expect([...rooms].filter((name) => name !== 'cli' && !(name in FLOORS))).toEqual([]);
});

test('a room imports only rooms with a lower floor', () => {
  expect(sources.flatMap(violations)).toEqual([]);
});

test('every relative import names a file that exists', () => {
  const paths = new Set([...sources.map(({ path }) => path), 'package.json']);
  const named = sources.flatMap((file) => imports(file).files);
  expect(named.length).toBeGreaterThan(sources.length);
  expect(named.filter((name) => !paths.has(name))).toEqual([]);
});

/** Circles of imports, types included: groups of files that lead to each other. By Tarjan's algorithm. */
function circles(files: readonly SourceFile[]): string[][] {
  const importsOf = new Map(files.map((file) => [file.path, imports(file).files]));
  const found: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const visit = (path: string) => {
    order.set(path, order.size);
    lowest.set(path, order.get(path)!);
    stack.push(path);
    for (const next of importsOf.get(path)!) {
      if (!importsOf.has(next)) continue;
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) lowest.set(path, Math.min(lowest.get(path)!, lowest.get(next)!));
    }
    if (lowest.get(path) !== order.get(path)) return;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1 || importsOf.get(path)!.includes(path)) found.push(group.sort());
  };
  for (const { path } of files) if (!order.has(path)) visit(path);
  return found;
}

test.each([
  [
    'a circle of two',
    { 'src/a.ts': "import { b } from './b.js';", 'src/b.ts': "import { a } from './a.js';" },
  ],
  [
    'a circle of types over three',
    {
      'src/a.ts': "import type { B } from './b.js';",
      'src/b.ts': "import type { C } from './c.js';",
      'src/c.ts': "import type { A } from './a.js';",
    },
  ],
  [
    'a circle over a late import',
    { 'src/a.ts': "const b = await import('./b.js');", 'src/b.ts': "import { a } from './a.js';" },
  ],
])('%s is found', (_, texts) => {
  const files = Object.entries(texts).map(([path, text]) => ({ path, text }));
  expect(circles(files)).toEqual([Object.keys(texts)]);
});

test('no file imports itself by way of others, not even for a type', () => {
  expect(circles(sources)).toEqual([]);
});

test('no folder is a drawer', () => {
  const counts = new Map<string, number>();
  for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  expect([...counts].filter(([, count]) => count > MOST_FILES)).toEqual([]);
});

test('the dependencies are the packages that src imports', () => {
  const packagesOf = (files: readonly SourceFile[]) =>
    new Set(files.flatMap((file) => imports(file).packages));
  const isBundled = ({ path }: SourceFile) => BUNDLED.includes(path);
  const { dependencies, optionalDependencies, devDependencies } = JSON.parse(
    readFileSync(join(ROOT, 'package.json'), 'utf8'),
  );
  const used = packagesOf(sources.filter((file) => !isBundled(file)));
  expect([...used].sort()).toEqual(Object.keys({ ...dependencies, ...optionalDependencies }).sort());
  const bundled = packagesOf(sources.filter(isBundled));
  expect([...bundled].filter((name) => !(name in devDependencies))).toEqual([]);
});

test('a package with native code is only required where it is used: its import names types alone', () => {
  const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const natives = Object.keys(optionalDependencies).join('|');
  const loads = new RegExp(`^import (?!type\\b)[^;]*'(?:${natives})[/']|[^f] import\\('(?:${natives})`, 'm');
  expect(loads.test("import koffi from 'koffi';")).toBe(true);
  expect(loads.test("await import('zstd-napi/binding.js')")).toBe(true);
  expect(sources.filter(({ text }) => loads.test(text)).map(({ path }) => path)).toEqual([]);
});

test('only the public entries re-export', () => {
  const barrels = sources.filter(({ text }) => /^export\s+(?:type\s+)?[{*][^;]*\bfrom\b/m.test(text));
  expect(barrels.map(({ path }) => path).sort()).toEqual(ENTRIES.toSorted());
});

test.each(ENTRIES)('importing %s loads no package', (entry) => {
  const texts = new Map(sources.map(({ path, text }) => [path, text]));
  const seen = new Set<string>();
  const packages: string[] = [];
  const load = (path: string) => {
    if (seen.has(path)) return;
    seen.add(path);
    const statements = texts
      .get(path)!
      .matchAll(/^(?:import|export)\s+(?!type\b)(?:[^;']*?from\s+)?'([^']+)'/gm);
    for (const [, name] of statements) {
      if (name!.startsWith('.')) load(join(dirname(path), name!).replace(/\.js$/, '.ts'));
      else if (!name!.startsWith('node:')) packages.push(`${path} imports ${name}`);
    }
  };
  load(entry);
  expect(seen.size).toBeGreaterThan(4);
  expect(packages).toEqual([]);
});

test('no file is longer than the hard look allows', () => {
  const long = everything.filter(({ text }) => text.trimEnd().split('\n').length > HARD_LOOK);
  expect(long.map(({ path }) => path)).toEqual([]);
});

test('no test is switched off', () => {
  const self = relative(ROOT, fileURLToPath(import.meta.url));
  const off = /\b(?:it|test|describe)(?:\.\w+)*\.(?:skip|only|todo|fails|skipIf|runIf)\b/;
  const tests = everything.filter(({ path }) => path.startsWith('test/') && path !== self);
  expect(off.test(['test', 'skip("x")'].join('.'))).toBe(true);
  expect(tests.filter(({ text }) => off.test(text)).map(({ path }) => path)).toEqual([]);
});
