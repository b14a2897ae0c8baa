import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const DIST = join(ROOT, 'dist');
/** In `dist/`, which every build removes first: no build but ours can leave a stamp of other sources. */
const STAMP = join(DIST, '.sources');
/** All that a build reads. */
export const SOURCES: readonly string[] = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'rolldown.config.js',
  'rolldown',
  'src',
];

/**
 * Builds `dist/`, which the tests run, unless it is of these very sources. A build takes 2 s.
 *
 * @throws Error when the build fails: no test runs on the build before
 */
export function buildIfStale(): void {
  const sources = digestOf(SOURCES);
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === sources) return;
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`The build fails, so no test runs\n${stdout}${stderr}`);
  writeFileSync(STAMP, sources);
}

/** Over the names and contents of all files. */
function digestOf(names: readonly string[]): string {
  const hash = createHash('sha256');
  for (const name of names.flatMap(filesOf).sort()) {
    const bytes = readFileSync(join(ROOT, name));
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

function filesOf(name: string): string[] {
  if (!statSync(join(ROOT, name)).isDirectory()) return [name];
  return readdirSync(join(ROOT, name), { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1));
}
