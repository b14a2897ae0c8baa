import { readFileSync, readlinkSync } from 'node:fs';

/** Node's stand-in for bytes that are no UTF-8. */
const REPLACED = '\uFFFD';
/** Default places are below these. */
const VARIABLES = ['OVERLAYER_ROOT', 'XDG_DATA_HOME', 'HOME'];

/**
 * Node gives arguments, variables and the working directory as strings, and bytes that are no UTF-8 are lost in them: a
 * command would use another file than the one that it was given.
 *
 * @param args as the user has given them
 * @returns which of them has such bytes, in words; undefined when none has
 */
export function findLostBytes(args: readonly string[]): string | undefined {
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

/** @param spelled what the kernel has in the place of the text */
function isLost(text: string, spelled: () => readonly Buffer[]): boolean {
  if (!text.includes(REPLACED)) return false;
  try {
    return !spelled().some((bytes) => bytes.equals(Buffer.from(text)));
  } catch {
    return true; // without /proc nobody can tell
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
