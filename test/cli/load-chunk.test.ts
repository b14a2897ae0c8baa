import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadChunk } from '../../src/cli/compiled-code/load-chunk.js';
import { temporaryDirectory } from './helpers.js';

/** Writes modules. @returns the path of `main.cjs` */
function write(modules: Readonly<Record<string, string>>): string {
  const directory = realpathSync(temporaryDirectory());
  for (const [name, text] of Object.entries(modules)) {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return join(directory, 'main.cjs');
}

/** Loads by the loader and by Node's own. */
const LOADERS: readonly [string, (path: string) => unknown][] = [
  ['the loader', (path) => loadChunk(path, undefined)],
  ['Node', (path) => createRequire(path)(path)],
];

test.each(LOADERS)('a chunk loads others, packages and modules of Node: %s', async (_, load) => {
  const path = write({
    'main.cjs': `
      exports.early = 'seen';
      exports.other = require('./other.cjs');
      exports.same = require('./other.cjs') === exports.other;
      exports.pack = require('pack');
      exports.late = () => (require.import ?? ((name) => import(name)))(join(__dirname, 'late.mjs'));
      exports.join = require('node:path').join;
      const { join } = exports;
      exports.place = [__filename, __dirname, module.exports === exports, this === exports];`,
    'other.cjs': `module.exports = { early: require('./main.cjs').early };`,
    'late.mjs': `export default 'a module';`,
    'node_modules/pack/index.js': `module.exports = 'a package';`,
  });
  const loaded = load(path) as Record<string, unknown>;
  expect(loaded).toMatchObject({ other: { early: 'seen' }, same: true, pack: 'a package', join });
  expect(loaded['place']).toEqual([path, join(path, '..'), true, true]);
  expect(await (loaded['late'] as () => unknown)()).toMatchObject({ default: 'a module' });
});

test.each(LOADERS)('an error has the position in the file: %s', (_, load) => {
  const stackOf = (text: string) => {
    const path = write({ 'main.cjs': text });
    try {
      load(path);
    } catch (error) {
      return (error as Error).stack!.replaceAll(path, 'FILE');
    }
  };
  expect(stackOf(`throw new Error('first line');`)).toContain('FILE:1:7');
  expect(stackOf(`\n\n  throw new Error('third line');`)).toContain('FILE:3:9');
  expect(stackOf(`\n const a = ;`)).toMatch(/^FILE:2\n/);
});

test('a module of Node can be given in another form', () => {
  const path = write({ 'main.cjs': `module.exports = [require('node:os'), require('node:fs')];` });
  expect(loadChunk(path, undefined, { 'node:os': () => 'another' })).toEqual(['another', expect.anything()]);
});

test('a file that does not exist is named', () => {
  expect(() => loadChunk(write({ 'main.cjs': `require('./absent.cjs')` }), undefined)).toThrow('absent.cjs');
});
