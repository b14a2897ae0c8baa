import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { type Header, type Pack, pack } from 'tar-stream';
import { expect, onTestFinished, type TestContext } from 'vitest';

export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The real program in a process of its own. */
export function start(args: readonly string[], options: SpawnOptions = {}): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe', ...options });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function finish(child: ChildProcess): Promise<Finished> {
  const code = new Promise<number | null>((resolve) => child.on('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!)]);
  return { code: await code, stdout, stderr };
}

export function overlayer(
  args: readonly string[],
  { input, ...options }: SpawnOptions & { readonly input?: Uint8Array } = {},
): Promise<Finished> {
  const child = start(args, options);
  // The program may end without reading all of it.
  child.stdin!.on('error', () => {});
  child.stdin!.end(input);
  return finish(child);
}

/** Checks whose failure `bash -e` ignores: `! command`, and all parts of a list but the last. */
export const IGNORED_CHECK = /^\s*(! |(test|\[) .*&&)/m;

/**
 * Runs a bash script in a mount namespace of its own, and expects that each of its commands succeeds. `fails COMMAND`
 * succeeds if the command does not.
 */
export function expectScript(script: string, cwd: string): void {
  expect(script).not.toMatch(IGNORED_CHECK);
  const commands = ['bash', '-euo', 'pipefail', '-c', `fails() { ! "$@"; }\n${script}`];
  const options = { cwd, encoding: 'utf8' } as const;
  const { status, stderr } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', ...commands],
    options,
  );
  expect({ status, stderr }).toMatchObject({ status: 0 });
}

/** A directory that goes with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'overlayer-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

interface Entry extends Partial<Header> {
  readonly name: string;
  readonly content?: string | Uint8Array;
}

export function tarOf(...entries: readonly Entry[]): Promise<Buffer> {
  const archive: Pack = pack();
  for (const { content = '', ...header } of entries)
    archive.entry({ mtime: new Date('2024-05-06T07:08:09Z'), ...header }, content);
  archive.finalize();
  return buffer(archive);
}

/** Control characters that a terminal would obey; line ends are fine. */
export function controlCharacters(text: string): string[] {
  return [...text].filter((character) => (character < ' ' && character !== '\n') || character === '\x7f');
}

/** Skips the test, and says so, where a program is missing. */
export function needsProgram(context: TestContext, program: string): void {
  if (spawnSync('which', [program]).status === 0) return;
  console.warn(`skipped: "${context.task.name}" needs ${program}`);
  context.skip(`${program} is not installed`);
}

export function sha256(bytes: Uint8Array): `sha256:${string}` {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
