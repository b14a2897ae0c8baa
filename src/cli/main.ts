#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { keepCompiledCode } from './compile-cache.js';

const version = (): string => {
  const text = readFileSync(`${import.meta.dirname}/../../package.json`, 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

/** The commands that unpack or read layers. */
const NEED_THREADS: readonly string[] = [
  ...['unpack', 'inspect', 'diff', 'pull', 'import', 'explore', 'files', 'cat'],
];

/**
 * undici's HTTP parser is WebAssembly, and gets only a few hundred chunks a second. V8 would compile it a second time, with
 * optimization, in every pull: that took 0.17 s of processor time and 35 MB.
 */
const NO_SECOND_COMPILING = '--wasm-tiering-budget=2000000000';

async function main(args: readonly string[]): Promise<void> {
  // Scripts ask for the version at every start: it is printed before anything else is loaded.
  if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  if (args[0] === 'pull') {
    const { setFlagsFromString } = await import('node:v8');
    setFlagsFromString(NO_SECOND_COMPILING);
  }
  // After the flags: V8 takes no code that was compiled with others.
  keepCompiledCode();
  const command = args[0] === 'snapshots' ? args[1] : args[0];
  if (command !== undefined && NEED_THREADS.includes(command)) {
    // The threads start while the rest is loaded and the options are parsed.
    const { startThreads } = await import('./warm-up.js');
    startThreads(args[0]!, args.slice(1));
  }
  const { run } = await import('./run.js');
  await run(args, version());
}

void main(process.argv.slice(2));
