import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
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

const NOTE_CONNECTION = `const { Socket } = require('node:net');
const { connect } = Socket.prototype;
Socket.prototype.connect = function (...args) {
  const packages = Object.keys(require.cache).filter((path) => path.includes('/node_modules/lmdb/'));
  require('node:fs').writeFileSync(process.env.LOADED, JSON.stringify(packages));
  return connect.apply(this, args);
};`;

test('a pull begins its connection before it loads and opens the store', async () => {
  const directory = temporaryDirectory();
  const loaded = join(directory, 'loaded');
  writeFileSync(join(directory, 'note.cjs'), NOTE_CONNECTION);
  const registry = createServer((_, response) => response.writeHead(404).end());
  onTestFinished(() => void registry.close());
  await once(registry.listen(0, '127.0.0.1'), 'listening');
  const image = `127.0.0.1:${(registry.address() as AddressInfo).port}/image:latest`;
  const pull = ['pull', '--plain-http', image, '--root', join(directory, 'root')];
  const program = ['--require', join(directory, 'note.cjs'), MAIN.replace(/js$/, 'cjs'), ...pull];
  const child = execFile(process.execPath, program, { env: { ...process.env, LOADED: loaded } });
  await once(child, 'exit');
  expect(JSON.parse(readFileSync(loaded, 'utf8'))).toEqual([]);
});
