import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseCLI, type TestProject } from 'vitest/node';
import { buildIfStale } from './build-if-stale.js';
import { installPeers } from './peers.js';

/** Runs once before the tests: builds what was edited, and installs the programs that the chosen tests need. */
export default async function beforeTests(project: TestProject): Promise<void> {
  buildIfStale();
  const { filter } = parseCLI(['vitest', ...process.argv.slice(2)]);
  const { testFiles } = await project.globTestFiles(filter);
  installPeers(textsOf(testFiles));
}

/** The texts of files and of all that they import, `src/` left out. */
function textsOf(paths: readonly string[]): string[] {
  const texts = new Map<string, string>();
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    // A test may quote an import of a file that does not exist.
    if (texts.has(path) || !existsSync(path)) continue;
    const text = readFileSync(path, 'utf8');
    texts.set(path, text);
    for (const [, name] of text.matchAll(/from '(\.[^']+)\.js'/g))
      if (!name!.includes('/src/')) waiting.push(`${join(dirname(path), name!)}.ts`);
  }
  return [...texts.values()];
}
