import { readFileSync, readlinkSync } from 'node:fs';

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
