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
  const code = new CompiledCode(directory, `${word}-${BUILD}-${process.version}-${process.arch}`);
  // A command that fails has not called the functions that others will call.
  process.on('exit', (exitCode) => {
    if (exitCode === 0) code.save();
  });
  return code;
}

main(process.argv.slice(2));
