import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { MAIN, tarOf, temporaryDirectory } from './helpers.js';

/** Those of Node's modules that take 1 to 5 ms to load. */
const SLOW = ['net', 'zlib', 'worker_threads', 'fs/promises', 'perf_hooks', 'http', 'crypto'];

const LIST = `process.on('exit', () => {
  require('node:fs').writeFileSync(process.env.LOADED, process.moduleLoadList.join('\\n'));
});`;

test.each([
  ['help', ['images', 'ls', '--help']],
  ['an unpack of a small layer', ['unpack', 'layer.tar.gz', 'rootfs']],
])('%s loads none of the slow modules of Node', async (_, args) => {
  const directory = temporaryDirectory();
  const loaded = join(directory, 'loaded');
  writeFileSync(join(directory, 'list.cjs'), LIST);
  writeFileSync(join(directory, 'layer.tar.gz'), gzipSync(await tarOf({ name: 'file', content: 'x' })));
  const program = ['--require', join(directory, 'list.cjs'), MAIN.replace(/js$/, 'cjs'), ...args];
  execFileSync(process.execPath, program, { cwd: directory, env: { ...process.env, LOADED: loaded } });
  const names = readFileSync(loaded, 'utf8')
    .split('\n')
    .map((name) => name.replace('NativeModule ', ''));
  expect(names).toContain('fs');
  expect(SLOW.filter((name) => names.includes(name))).toEqual([]);
});
