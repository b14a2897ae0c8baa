import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, readlinkSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { displayJson, displayPath, type LockWait } from '../index.js';
import { exitCode, USAGE_EXIT_CODE } from './exit-code.js';
import { reportFailure } from './failure.js';
import { knownElsewhere } from './known-elsewhere.js';
import { createProgram } from './program.js';
import { standardError, standardOutput } from './standard-streams.js';

/** Runs the command line `args`, and sets `process.exitCode`. */
export async function run(args: readonly string[], version: string): Promise<void> {
  subscribe('overlayer:lock-wait', (wait) => reportWait(wait as LockWait, args));
  process.on('uncaughtException', (error) => {
    reportDefect(error);
    process.exit();
  });
  try {
    await parse(args, version);
  } catch (error) {
    reportDefect(error);
  }
}

async function parse(args: readonly string[], version: string): Promise<void> {
  const lost = findLostBytes(args);
  if (lost !== undefined)
    return reportUsage(`${lost} is not valid UTF-8: overlayer cannot use such a name`, args);
  const program = await programFor(args, version);
  let wrong: string | undefined;
  noteUsage(program, program.name(), (text) => {
    wrong = text;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander uses one exit code for wrong usage and for a value that a parser refuses.
    const code = error.code === 'commander.invalidArgument' ? exitCode('InvalidArgument') : USAGE_EXIT_CODE;
    if (wrong !== undefined) reportUsage(wrong, args, code);
    else process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
  }
}

/** @returns a program with the one command that the arguments begin with; with all, where they begin with none */
async function programFor(args: readonly string[], version: string): Promise<Command> {
  const end = args.findIndex((word) => word.startsWith('-'));
  const words = end < 0 ? args : args.slice(0, end);
  const program = await createProgram(version, words);
  let found: Command | undefined = program;
  for (const word of words) {
    if (found === undefined || found.registeredArguments.length > 0) break;
    found = found.commands.find((command) => command.name() === word);
  }
  return found === undefined ? await createProgram(version) : program;
}

/** Columns of the help where standard output is no terminal. */
const PLAIN_WIDTH = 80;

/** Calls `note` with an error of the command line instead of printing it; also for subcommands. */
function noteUsage(command: Command, name: string, note: (wrong: string) => void): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => standardOutput.write(text),
    getOutHelpWidth: () => standardOutput.terminal?.columns ?? PLAIN_WIDTH,
    getOutHasColors: () => true, // the help has none that would be removed
    outputError: (text) => {
      const [, word] = /^error: unknown command '(.*)'/.exec(text) ?? [];
      const known = word === undefined ? undefined : knownElsewhere(name, word);
      const what = known === undefined ? oneLine(text) : `unknown command '${word}': ${known}`;
      const [, option] = /^error: unknown option '(.*)'\n/.exec(text) ?? [];
      const taker = option === undefined ? undefined : commandWith(command, name, option);
      note(taker === undefined ? `${what}; see ${name} --help` : `${what}: a command takes it (${taker})`);
    },
  });
  for (const each of command.commands) noteUsage(each, `${name} ${each.name()}`, note);
}

/** @returns an example of a command below `group` that has the option */
function commandWith(group: Command, name: string, option: string): string | undefined {
  for (const each of group.commands) {
    const below = `${name} ${each.name()}`;
    if (each.options.some(({ long }) => long === option)) return `${below} ${option}`;
    const found = commandWith(each, below, option);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Reports an error of the command line, as `reportFailure` reports other errors. */
function reportUsage(text: string, args: readonly string[], code: number = USAGE_EXIT_CODE): void {
  const line = args.includes('--json')
    ? displayJson({ type: 'error', code: 'InvalidArgument', message: text })
    : displayPath(`overlayer: ${text}`);
  standardError.write(`${line}\n`);
  process.exitCode = code;
}

/** Commander's `error: unknown option '--forse'\n(Did you mean --force?)\n` as one clause. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}

function reportWait({ path, holder }: LockWait, args: readonly string[]): void {
  const line = args.includes('--json')
    ? displayJson({ type: 'lock-wait', path, holder })
    : displayPath(`overlayer: Waiting for the lock of "${path}": ${holder} has it`);
  standardError.write(`${line}\n`);
}

function reportDefect(error: unknown): void {
  process.exitCode = reportFailure(error, {});
}

/** Node puts it in place of bytes that are not UTF-8. */
const REPLACED = '\uFFFD';
/** The variables that default paths begin with. */
const VARIABLES = ['OVERLAYER_ROOT', 'XDG_DATA_HOME', 'HOME'];

/**
 * Node decodes arguments, variables and the working directory as UTF-8. Other bytes are lost, so that a command would use
 * another file than the one it was given.
 *
 * @returns the name of one with such bytes, as the subject of a sentence; undefined if there is none
 */
function findLostBytes(args: readonly string[]): string | undefined {
  const argument = args.find((text) => isLost(text, listIn('cmdline')));
  if (argument !== undefined) return `The argument "${argument}"`;
  const variable = VARIABLES.find((name) => {
    const value = process.env[name];
    return value !== undefined && isLost(`${name}=${value}`, listIn('environ'));
  });
  if (variable !== undefined) return `The variable ${variable}`;
  const directory = workingDirectory();
  if (isLost(directory, () => [readlinkSync('/proc/self/cwd', 'buffer')]))
    return `The name of the working directory "${directory}"`;
  return undefined;
}

/** @param spelled reads the bytes of the same texts from the kernel */
function isLost(text: string, spelled: () => readonly Buffer[]): boolean {
  if (!text.includes(REPLACED)) return false;
  try {
    return !spelled().some((bytes) => bytes.equals(Buffer.from(text)));
  } catch {
    return true; // without /proc there is no way to know
  }
}

function listIn(file: 'cmdline' | 'environ'): () => readonly Buffer[] {
  return () => {
    const text = readFileSync(`/proc/self/${file}`, 'latin1');
    return text.split('\0').map((part) => Buffer.from(part, 'latin1'));
  };
}

function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return ''; // it was removed
  }
}
