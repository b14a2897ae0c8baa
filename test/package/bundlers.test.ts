import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LAYER, PackedApp, REPOSITORY } from './packed-app.js';

const BUNDLERS = join(REPOSITORY, 'test/package/bundlers');
const DONE = { entries: 123, kind: 'committed', registry: 'TimeoutError' };

let app: PackedApp;
beforeAll(() => {
  installBundlers();
  app = new PackedApp({ installScripts: false });
  for (const name of ['main.js', 'work.js']) cpSync(join(BUNDLERS, name), join(app.folder, name));
});
afterAll(() => rmSync(app.root, { recursive: true, force: true }));

/** webpack and Next are large, so they are kept beside their lock file. */
function installBundlers(): void {
  const lock = readFileSync(join(BUNDLERS, 'package-lock.json'), 'utf8');
  const marker = join(BUNDLERS, 'node_modules/.installed-lock');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return;
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync('npm', args, { cwd: BUNDLERS, stdio: 'pipe' });
  writeFileSync(marker, lock);
}

const bundle = (bundler: string, format: string) =>
  app.run('node', [join(BUNDLERS, 'bundle.mjs'), bundler, format]);

/** Runs a bundled program. */
const runProgram = (program: string): unknown => {
  const folder = join(app.root, 'work');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return JSON.parse(app.run('node', [program, LAYER, folder]));
};

describe('a bundled app unpacks a layer and commits a snapshot', () => {
  test.each([
    ['esbuild', 'esm'],
    ['esbuild', 'cjs'],
    ['esbuild', 'external'],
    ['webpack', 'esm'],
    ['webpack', 'cjs'],
    ['webpack', 'external'],
    ['vite', 'ssr'],
    ['vite', 'lib'],
    ['vite', 'cjs'],
    ['vite', 'external'],
  ])('%s (%s)', (bundler, format) => {
    bundle(bundler, format);
    const [main] = readdirSync(join(app.folder, `${bundler}-${format}`)).filter((name) =>
      /^main\.[cm]js$/.test(name),
    );
    expect(runProgram(join(app.folder, `${bundler}-${format}`, main!))).toEqual(DONE);
  });

  test('Next, its server build', async () => {
    const project = join(app.root, 'next');
    mkdirSync(join(project, 'app/unpack'), { recursive: true });
    const files = { 'layout.js': 'app/layout.js', 'route.js': 'app/unpack/route.js' };
    for (const [from, to] of Object.entries({
      ...files,
      'work.js': 'work.js',
      'next.config.mjs': 'next.config.mjs',
    }))
      cpSync(join(BUNDLERS, from), join(project, to));
    linkPackages(join(project, 'node_modules'));
    const next = 'node_modules/next/dist/bin/next';
    app.run('node', [next, 'build'], project);
    const folder = join(app.root, 'next-work');
    mkdirSync(folder);
    const server = app.start('node', [next, 'start', '--port', '0'], project);
    try {
      const query = new URLSearchParams({ layer: LAYER, folder });
      const response = await fetch(`${await serverAddress(server)}/unpack?${query}`);
      expect(await response.json()).toEqual(DONE);
    } finally {
      server.kill();
      await once(server, 'exit');
    }
  });
});

describe('a bundle that runs where overlayer is not installed', () => {
  let folder: string;
  beforeAll(() => {
    bundle('esbuild', 'esm');
    folder = join(app.root, 'alone');
    cpSync(join(app.folder, 'esbuild-esm'), folder, { recursive: true });
  });

  test('says which file is missing and what to configure', () => {
    expect(() => runProgram(join(folder, 'main.mjs'))).toThrow(
      /Cannot find threads\/\w+\.cjs.*FailedPrecondition.*esbuild: external.*serverExternalPackages.*dist\/threads to \S*\/alone\/threads/s,
    );
  });

  test('takes the files from the folder that the error names', () => {
    cpSync(join(app.folder, 'node_modules/overlayer/dist/threads'), join(folder, 'threads'), {
      recursive: true,
    });
    expect(() => runProgram(join(folder, 'main.mjs'))).toThrow(/Unimplemented.*npm install koffi/s);
    mkdirSync(join(folder, 'node_modules'));
    for (const name of readdirSync(join(app.folder, 'node_modules')))
      if (name !== 'overlayer')
        symlinkSync(join(app.folder, 'node_modules', name), join(folder, 'node_modules', name));
    expect(runProgram(join(folder, 'main.mjs'))).toEqual(DONE);
  });
});

/** Next with what it needs, and overlayer alone: its dependencies are where pnpm would have them, out of the app's sight. */
function linkPackages(folder: string): void {
  mkdirSync(folder);
  const kept = join(BUNDLERS, 'node_modules');
  const packages = readdirSync(kept).filter((name) => !name.startsWith('.'));
  for (const name of packages) symlinkSync(join(kept, name), join(folder, name));
  symlinkSync(join(app.folder, 'node_modules/overlayer'), join(folder, 'overlayer'));
}

async function serverAddress(server: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: server.stdout! })) {
    const address = /http:\/\/localhost:\d+/.exec(line)?.[0];
    if (address !== undefined) return address;
  }
  throw new Error('the server ended without saying where it listens');
}
