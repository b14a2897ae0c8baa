import { type Command, CommanderError } from 'commander';
import { exitCode, USAGE_EXIT_CODE } from './exit-code.js';
import { createProgram } from './program.js';

/** Runs the command line `args`; what it ends with is in `process.exitCode`. */
export async function run(args: readonly string[], version: string): Promise<void> {
  process.stdout.on('error', endOnOutputError);
  // Nobody reads the messages any more; the work itself goes on.
  process.stderr.on('error', () => {});
  process.on('uncaughtException', (error) => {
    void reportDefect(error).finally(() => process.exit());
  });
  try {
    await parse(args, version);
  } catch (error) {
    await reportDefect(error);
  }
}

async function parse(args: readonly string[], version: string): Promise<void> {
  const program = createProgram(version);
  sayInOneLine(program, program.name());
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : USAGE_EXIT_CODE;
  }
}

/** What is wrong with the command line; also for the commands below. */
function sayInOneLine(command: Command, name: string): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) => write(`overlayer: ${oneLine(text)}; see ${name} --help\n`),
  });
  for (const each of command.commands) sayInOneLine(each, `${name} ${each.name()}`);
}

/** Commander's `error: unknown option '--forse'\n(Did you mean --force?)\n` as one clause. */
function oneLine(text: string): string {
  return text
    .trim()
    .replace(/^error: /, '')
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
}

async function reportDefect(error: unknown): Promise<void> {
  const { reportFailure } = await import('./report-failure.js');
  process.exitCode = reportFailure(error, { form: 'text' });
}

/** A reader that has seen enough (`overlayer inspect LAYER | head`) is no failure. */
function endOnOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  process.stderr.write(`overlayer: Cannot write to standard output (${error.code})\n`);
  process.exit(exitCode('Unavailable'));
}
