import { type ExecFileException, execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { OverlayerError } from '../../../base/errors.js';
import { displayPath } from '../../../base/path-bytes.js';
import type { Credentials } from './credentials.js';

/** A helper may prompt the user for the passphrase of a key. */
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 1024 ** 2;
/** docker-credential-helpers, credentials/error.go. */
const NOT_FOUND = 'credentials not found in native keychain';

/**
 * Runs `docker-credential-NAME get` (docker-credential-helpers). The user's configuration names the helper, and it is
 * found on the user's PATH, as docker does it. Relative directories of PATH are skipped.
 *
 * @param file the configuration file that names the helper
 * @returns undefined when the helper has no credentials for the server
 * @throws OverlayerError `FailedPrecondition`: the program does not exist, or fails
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  file: string,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  try {
    return credentialsOf(await run(findProgram(program), server));
  } catch (cause) {
    const message = `Cannot ask "${program}", which "${file}" names, for credentials`;
    throw new OverlayerError('FailedPrecondition', `${message}: ${(cause as Error).message}`, { cause });
  }
}

function credentialsOf(output: string | undefined): Credentials | undefined {
  if (output === undefined) return undefined;
  let answer: { readonly Username?: unknown; readonly Secret?: unknown };
  try {
    answer = Object(JSON.parse(output));
  } catch (cause) {
    throw new Error('its answer is no JSON', { cause });
  }
  const { Username: username, Secret: secret } = answer;
  if (typeof username !== 'string' || typeof secret !== 'string')
    throw new Error('its answer has no Username or no Secret');
  if (secret === '') return undefined;
  return username === '<token>' ? { identityToken: secret } : { username, password: secret };
}

function run(path: string, server: string): Promise<string | undefined> {
  const options = { timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT_BYTES, killSignal: 'SIGKILL' } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(path, ['get'], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else if (stdout.trim() === NOT_FOUND) resolve(undefined);
      else reject(new Error(whyFailed(error, stdout), { cause: error }));
    });
    // A program that does not read stdin breaks the pipe; its exit status is reported.
    child.stdin?.on('error', () => {});
    child.stdin?.end(server);
  });
}

function whyFailed({ killed, code }: ExecFileException, stdout: string): string {
  if (killed) return 'it took too long, or said too much';
  if (typeof code === 'string') return `it cannot be run (${code})`;
  return displayPath(stdout.trim().slice(0, 200)) || 'it failed without a word';
}

/** Searches as execvp(3) does, but never in a relative directory. */
function findProgram(program: string): string {
  const isName = !program.includes('/');
  const directories = isName ? (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute) : [];
  const found = directories.map((directory) => join(directory, program)).find(isExecutable);
  if (found === undefined) throw new Error('there is no such program on PATH');
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
