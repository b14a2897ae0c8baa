import { constants } from 'node:os';
import { displayJson, displayPath, type ErrorCode, OverlayerError } from '../index.js';
import { exitCode, USAGE_EXIT_CODE } from './exit-code.js';
import { withFlag } from './flags/option-flags.js';
import { standardError } from './standard-streams.js';

/** The options with which a user asks for output that a program can read. */
interface FailureFlags {
  readonly json?: boolean | undefined;
  readonly progress?: string | undefined;
}

/** The form of the command line is wrong, in a way that the parser does not know. */
export class UsageError extends Error {}

type EndingSignal = 'SIGINT' | 'SIGTERM';

/** The reason of an abort: a signal stopped the command. */
export class Interruption extends Error {
  readonly exitCode: number;

  constructor(by: EndingSignal) {
    super(`stopped by ${by}`);
    this.exitCode = 128 + constants.signals[by];
  }
}

/**
 * Aborts on SIGINT and SIGTERM. The process then runs until the command has cleaned up; a second signal kills it at
 * once.
 */
export function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => controller.abort(new Interruption(name)));
  return controller.signal;
}

/**
 * Prints an error on standard error, in one line: as text, or with `--json` or `--progress json` as a document.
 *
 * @param aftermath what the failure leaves behind
 * @returns the exit code
 */
export function reportFailure(
  error: unknown,
  { json = false, progress }: FailureFlags,
  aftermath?: string | undefined,
): number {
  const isJson = json || progress === 'json';
  const line = isJson
    ? displayJson({ type: 'error', ...describeFailure(error), aftermath })
    : failureLine(error, aftermath);
  standardError.write(`${line}\n`);
  if (process.env['OVERLAYER_DEBUG'] === '1' && !isJson) console.error(error);
  if (error instanceof Interruption) return error.exitCode;
  if (error instanceof UsageError) return USAGE_EXIT_CODE;
  return exitCode(OverlayerError.is(error) ? error.code : 'Internal');
}

/**
 * Does the same to each name, also after one has failed, and reports each failure. An interruption ends it.
 *
 * @param work returns the name that was meant
 * @returns the names that worked, and the exit code: that of the first failure
 */
export async function forEachName(
  names: readonly string[],
  flags: FailureFlags,
  work: (name: string) => Promise<string>,
): Promise<{ readonly done: readonly string[]; readonly code: number }> {
  const done: string[] = [];
  let code = 0;
  for (const name of names) {
    try {
      done.push(await work(name));
    } catch (error) {
      const failed = reportFailure(error, flags);
      if (error instanceof Interruption) return { done, code: failed };
      if (code === 0) code = failed;
    }
  }
  return { done, code };
}

/** The failure as the fields of a JSON document. */
export function describeFailure(error: unknown): Record<string, unknown> {
  if (error instanceof Interruption) return { code: 'Cancelled', message: error.message };
  if (error instanceof UsageError) return { code: 'InvalidArgument', message: error.message };
  if (!OverlayerError.is(error)) return { code: 'Internal', message: messageOf(error) };
  const { code, entry, offset, errno, expected, actual } = error;
  const { message, hint, option } = withFlag(error);
  return { code, message, entry, offset, errno, expected, actual, option, hint };
}

const FILE_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOENT: 'NotFound',
  EACCES: 'PermissionDenied',
  EPERM: 'PermissionDenied',
  ENOSPC: 'ResourceExhausted',
  EDQUOT: 'ResourceExhausted',
  EIO: 'DataLoss',
};

/** An error of Node's file system calls as an `OverlayerError` that begins with `what`; any other error unchanged. */
export function fileFailure(error: unknown, what: string): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return error;
  const { code: errno = 'unknown' } = error as NodeJS.ErrnoException;
  return new OverlayerError(FILE_CODES[errno] ?? 'FailedPrecondition', `${what}: ${errno}`, {
    cause: error,
    errno,
  });
}

function failureLine(error: unknown, aftermath: string | undefined): string {
  const line = OverlayerError.is(error) ? overlayerLine(error) : messageOf(error);
  // A message can quote names of the archive, which may hold line ends and escape sequences.
  return displayPath(`overlayer: ${line}${aftermath === undefined ? '' : `; ${aftermath}`}`);
}

function overlayerLine(error: OverlayerError): string {
  const { entry, offset } = error;
  const { message, hint } = withFlag(error);
  const named = entry !== undefined && !displayPath(message).includes(`"${displayPath(entry)}"`);
  const where = [
    ...(named ? [`entry "${entry}"`] : []),
    ...(offset === undefined ? [] : [`offset ${offset}`]),
  ].join(', ');
  return `${message}${where && ` (${where})`}${hint === undefined ? '' : `: ${hint}`}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
