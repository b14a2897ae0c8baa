import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SOURCES } from './helpers/build-if-stale.js';

const ROOT = join(import.meta.dirname, '..');

let copy: string;
beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'overlayer-stale-build-'));
  for (const name of [...SOURCES, 'vitest.config.ts', 'test/helpers'])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(
    join(copy, 'test/value.test.ts'),
    "import { expect, test } from 'vitest';\nimport { value } from '../src/value.js';\ntest('value', () => expect(value).toBe(1));\n",
  );
});
afterEach(() => rmSync(copy, { recursive: true, force: true }));

function run() {
  const args = ['vitest', 'run', '--maxWorkers=1', 'test/value.test.ts'];
  const { status, stdout, stderr } = spawnSync('npx', args, {
    cwd: copy,
    encoding: 'utf8',
    // The counts of this run are not the copy's.
    env: { ...process.env, NO_COLOR: '1', TEST_REPORT: undefined },
  });
  return { status, output: stdout + stderr };
}

test('an edit is built before the tests run, and without a build none runs', () => {
  const source = join(copy, 'src/value.ts');

  writeFileSync(source, 'export const value = 1;\n');
  expect(run()).toMatchObject({ status: 0 });

  writeFileSync(source, 'export const value = 2;\n');
  const edited = run();
  expect(edited.status).toBe(1);
  expect(edited.output).toContain('expected 2 to be 1');

  appendFileSync(source, 'export const wrong: string = 1;\n');
  const broken = run();
  expect(broken.status).toBe(1);
  expect(broken.output).toMatch(/The build fails, so no test runs[\s\S]*src\/value\.ts/);
  expect(broken.output).not.toMatch(/\bTests\b.*\b(passed|failed)\b/);

  // As before the edit, but the build that stands is of nothing.
  writeFileSync(source, 'export const value = 1;\n');
  expect(run()).toMatchObject({ status: 0 });
  expect(readFileSync(join(copy, 'dist/value.js'), 'utf8')).toContain('value = 1');
});

test.each([
  {
    what: 'leaves code that it is for',
    file: 'rolldown/rewrites.js',
    from: 'enumerable: true',
    to: 'enumerable: false',
    failure: /The rewrite plainExports leaves code in \S+: Object\.defineProperty\(exports, /,
  },
  {
    what: 'changes nothing in a bundle',
    file: 'rolldown.config.js',
    from: 'rewriting(moduleURL, lateBuiltins, privateNames)',
    to: 'rewriting(moduleURL, lateBuiltins, privateNames, plainExports)',
    failure: /The rewrite plainExports has changed nothing/,
  },
])('a build fails if a rewrite of generated code $what', ({ file, from, to, failure }) => {
  const text = readFileSync(join(copy, file), 'utf8');
  expect(text).toContain(from);
  writeFileSync(join(copy, file), text.replace(from, to));
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'build'], { cwd: copy, encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stdout + stderr).toMatch(failure);
});
