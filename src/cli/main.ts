#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { cacheDirectory } from './compiled-code/cache-directory.js';
import { CompiledCode } from './compiled-code/compiled-code.js';
import { loadChunk } from './compiled-code/load-chunk.js';
import { threadsWithCode } from './compiled-code/threads-with-code.js';

/** A hash of the chunks, which rolldown defines. */
declare const BUILD: string | undefined;

const version = (): string => {
  const text = readFileSync(`${import.meta.dirname}/../../package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

function main(args: readonly string[]): void {
  // Node ends a millisecond or two earlier if it does not take the heap apart.
  process.once('beforeExit', () => process.exit());
  // Scripts ask for the version at every start: it is printed before anything else is loaded.
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const code = compiledCode(args[0] ?? '');
  const builtins = code && { 'node:worker_threads': () => threadsWithCode(code) };
  const commandLine = loadChunk(`${import.meta.dirname}/chunks/command-line.cjs`, code, builtins);
  void (commandLine as typeof import('./command-line.js')).runCommandLine(args, version());
}

/** @returns undefined where compiled code is not kept */
function compiledCode(command: string): CompiledCode | undefined {
  if (typeof BUILD === 'undefined' || process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined)
    return undefined;
  const directory = cacheDirectory();
  if (directory === undefined) return undefined;
  const word = /^[a-z]+$/.test(command) ? command : 'help';
  const code = new CompiledCode(
    directory,
    `${word}-${BUILD}-${process.version}-${process.arch}${flagsMark()}`,
  );
  // A command that fails has not called the functions that others will call.
  process.on('exit', (exitCode) => {
    if (exitCode === 0) code.save();
  });
  return code;
}

/**
 * V8 takes compiled code only with the flags that it was compiled with, so each set of flags has files of its own. To load
 * node:v8 takes 1 to 2 ms, which a process without flags does not need.
 */
function flagsMark(): string {
  if (process.execArgv.length === 0 && (process.env['NODE_OPTIONS'] ?? '') === '') return '';
  return `-${process.getBuiltinModule('node:v8').cachedDataVersionTag().toString(16)}`;
}

main(process.argv.slice(2));
