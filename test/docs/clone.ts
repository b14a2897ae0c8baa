import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NEWER_CONTAINERD } from '../helpers/newer-containerd.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

export const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
export const isRoot = process.getuid?.() === 0;

/** The pages for users and contributors. */
export const PAGES: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(REPOSITORY, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'examples/README.md',
  'fixtures/README.md',
  'native-bench/README.md',
  'test/security/README.md',
];

export function readPage(page: string): string {
  return readFileSync(join(REPOSITORY, page), 'utf8');
}

/** A folder with what a clone has after the first command of the README. */
export function makeClone(): string {
  const folder = makeWorkDirectory();
  for (const name of ['dist', 'docs', 'examples', 'fixtures', 'node_modules', 'package.json'])
    symlinkSync(join(REPOSITORY, name), join(folder, name));
  return folder;
}

/**
 * Runs a program as the reader of a page does, in a mount namespace of its own.
 *
 * `npx` is a script that starts the same program: the real one takes 0.6 s more for each command, and `.ci/run` runs it.
 *
 * @returns its standard output
 * @throws with its output when it fails
 */
export async function runIn(folder: string, program: string, args: readonly string[]): Promise<string> {
  const shims = join(folder, 'shims');
  mkdirSync(shims, { recursive: true });
  writeFileSync(join(shims, 'npx'), `#!/bin/sh\nshift\nexec ${join(REPOSITORY, 'dist/cli/main.cjs')} "$@"\n`);
  chmodSync(join(shims, 'npx'), 0o755);
  const PATH = [shims, NEWER_CONTAINERD, process.env['PATH']].join(delimiter);
  const command = isRoot
    ? ['unshare', '--mount', '--propagation', 'private', program, ...args]
    : [program, ...args];
  const running = promisify(execFile)(command[0]!, command.slice(1), {
    cwd: folder,
    env: { ...process.env, PATH },
  });
  const { stdout } = await running.catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error });
  });
  return stdout;
}

/** Checks the types of JavaScript files. @throws with the compiler's messages */
export async function checkTypes(folder: string, files: readonly string[]): Promise<void> {
  const compiler = join(REPOSITORY, 'node_modules/.bin/tsc');
  const options = ['--noEmit', '--allowJs', '--checkJs', '--strict'];
  const target = ['--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const running = promisify(execFile)(compiler, [...options, ...target, ...files], { cwd: folder });
  await running.catch((error) => {
    throw new Error(error.stdout, { cause: error });
  });
}
