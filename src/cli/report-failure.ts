import { displayJson, displayPath, OverlayerError } from '../index.js';
import { exitCode } from './exit-code.js';
import { Interruption } from './interruption.js';

/** Options by which the user says that a program reads what the command prints. */
export interface FailureFlags {
  readonly json?: boolean | undefined;
  readonly progress?: string | undefined;
}

/**
 * Says on standard error, in one line, what went wrong: in words, or with `--json` or `--progress json` as a document.
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
  process.stderr.write(`${line}\n`);
  if (process.env['OVERLAYER_DEBUG'] === '1' && !isJson) console.error(error);
  if (error instanceof Interruption) return error.exitCode;
  return exitCode(OverlayerError.is(error) ? error.code : 'Internal');
}

/** The failure as the fields of a JSON document. */
export function describeFailure(error: unknown): Record<string, unknown> {
  if (error instanceof Interruption) return { code: 'Cancelled', message: error.message };
  if (!OverlayerError.is(error)) return { code: 'Internal', message: messageOf(error) };
  const { code, message, entry, offset, errno, expected, actual, hint } = error;
  return { code, message, entry, offset, errno, expected, actual, hint: hint && optionNames(hint) };
}

function failureLine(error: unknown, aftermath: string | undefined): string {
  const line = OverlayerError.is(error) ? overlayerLine(error) : messageOf(error);
  // Names of the archive may be in the message too, and a hostile one may hold line ends and escapes.
  return displayPath(`overlayer: ${line}${aftermath === undefined ? '' : `; ${aftermath}`}`);
}

function overlayerLine({ message, entry, offset, hint }: OverlayerError): string {
  const named = entry !== undefined && !displayPath(message).includes(`"${displayPath(entry)}"`);
  const where = [
    ...(named ? [`entry "${entry}"`] : []),
    ...(offset === undefined ? [] : [`offset ${offset}`]),
  ].join(', ');
  return `${message}${where && ` (${where})`}${hint === undefined ? '' : `: ${optionNames(hint)}`}`;
}

/** Errors name the library's options (`maxPathDepth`); here they have other names (`--max-path-depth`). */
function optionNames(hint: string): string {
  return hint.replace(
    /\b(?:max|allow)(?:[A-Z][a-z]+)+\b/g,
    (name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
