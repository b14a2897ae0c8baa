import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { archiveOf, layoutFiles } from './helpers/hand-made-image.js';
import { NEWER_CONTAINERD } from './helpers/newer-containerd.js';
import { makeWorkDirectory } from './helpers/work-directory.js';

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(REPOSITORY, 'README.md'), 'utf8');

/** @returns what the program printed; throws, with what it said, when it fails */
async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const finished = await promisify(execFile)(program, args, { cwd }).catch((error) => {
    throw new Error(`${error.message}\n${error.stdout}`, { cause: error });
  });
  return finished.stdout;
}

/** Code blocks of a language, each with a name for the report: its first line that says something. */
function examples(language: string): { readonly name: string; readonly code: string }[] {
  const blocks = README.matchAll(new RegExp(`^\`\`\`${language}\\n(?<code>.*?)^\`\`\`$`, 'gms'));
  return [...blocks].map(({ groups }) => {
    const code = groups!['code']!;
    return { code, name: code.split('\n').find((line) => !line.startsWith('import') && line !== '')! };
  });
}

/** A folder as the examples expect it: layers, overlayer installed, and on the PATH. */
function exampleFolder(): string {
  const folder = makeWorkDirectory();
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const layers = {
    'layer.tar.gz': 'layer.tar.gz',
    'layer.tar.zst': 'layer.tar.zst',
    'first.tar.gz': 'image-layers/buildah-1.tar.gz',
    'second.tar.gz': 'image-layers/buildah-2.tar.gz',
  };
  for (const [name, fixture] of Object.entries(layers))
    copyFileSync(join(REPOSITORY, 'fixtures', fixture), join(folder, name));
  const layersOfImage = [1, 2].map((index) =>
    readFileSync(join(REPOSITORY, `fixtures/image-layers/buildah-${index}.tar.gz`)),
  );
  writeFileSync(join(folder, 'image.tar'), archiveOf(layoutFiles({}, layersOfImage)));
  mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true });
  symlinkSync(REPOSITORY, join(folder, 'node_modules/overlayer'));
  symlinkSync(join(REPOSITORY, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  symlinkSync('../overlayer/dist/cli/main.cjs', join(folder, 'node_modules/.bin/overlayer'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  return folder;
}

/** What an example mounts is seen by nobody else, and goes with it. */
function alone(command: readonly string[]): readonly [program: string, args: readonly string[]] {
  const own =
    process.getuid?.() === 0 ? ['unshare', '--mount', '--propagation', 'private', ...command] : command;
  return [own[0]!, own.slice(1)];
}

describe('shell examples', () => {
  test.for(examples('sh'))('$name', ({ code }, { skip }) => {
    if (code.includes('mount ') && process.getuid?.() !== 0) return skip('mounting needs root');
    const folder = exampleFolder();
    const PATH = [join(folder, 'node_modules/.bin'), NEWER_CONTAINERD, process.env['PATH']].join(delimiter);
    const shell = ['bash', '-euo', 'pipefail', '-c', code];
    const [program, args] = alone(shell);
    execFileSync(program, args, { cwd: folder, env: { ...process.env, PATH }, stdio: 'pipe' });
  });
});

describe('TypeScript examples', () => {
  const server = createServer((request, response) =>
    response.end(readFileSync(join(REPOSITORY, 'fixtures', request.url ?? ''))),
  );
  beforeAll(() => promisify((done: () => void) => server.listen(0, '127.0.0.1', done))());
  afterAll(() => promisify((done: () => void) => server.close(done))());

  test.for(examples('ts'))('$name', async ({ code }, { skip }) => {
    if (/withMount|snapshotterSuite/.test(code) && process.getuid?.() !== 0)
      return skip('mounting needs root');
    const folder = exampleFolder();
    const { port } = server.address() as AddressInfo;
    writeFileSync(
      join(folder, 'example.ts'),
      code.replace('https://registry.example', `http://127.0.0.1:${port}`),
    );
    const tsc = join(REPOSITORY, 'node_modules/.bin/tsc');
    const compiler = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
      '--strict',
      'example.ts',
    ];
    await run(tsc, compiler, folder);
    expect(await run(...alone([process.execPath, 'example.js']), folder)).not.toBe('');
  });
});
