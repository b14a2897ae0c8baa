import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Milliseconds, far more than a program takes: a process that does not end is a failure. */
const LONGEST = 60_000;

interface Interruption {
  /** Words before the command. */
  readonly prefix?: readonly string[];
  /** Number of the call, from 1; 0: none. */
  readonly call?: number | 'each';
  /** The error that the call fails with; 0: the process is killed. For `each`, a shell command that runs before the calls. */
  readonly action?: number | string;
  /** A part of the path of open files whose calls do not count. */
  readonly except?: string;
}

export interface Interrupted {
  /** What the program wrote; `killed`; or its failure. */
  readonly end: string;
  /** How many calls that change files there were. */
  readonly calls: number;
}

/** Runs programs whose calls that change files are interrupted (`interrupt-calls.c`). */
export class Interrupter {
  readonly #program: string;
  readonly #count: string;

  /** @param into a directory for its files */
  constructor(into: string) {
    this.#program = join(into, 'interrupt-calls');
    this.#count = join(into, 'count');
    const source = fileURLToPath(new URL('interrupt-calls.c', import.meta.url));
    execFileSync('g++', ['-x', 'c', source, '-o', this.#program]);
  }

  /** Passes the argument to a program as JSON. */
  async run(
    program: string,
    argument: unknown,
    // LMDB has tests of its own: kill.test.ts, power-cut.test.ts, and those of src/metadata/.
    { prefix = [], call = 0, action = 0, except = 'metadata.db' }: Interruption = {},
  ): Promise<Interrupted> {
    const interruption = [String(call), String(action), this.#count, except];
    const command = [this.#program, ...interruption, process.execPath, program, JSON.stringify(argument)];
    const [first, ...rest] = [...prefix, ...command];
    const end = await new Promise<string>((resolve) => {
      execFile(first!, rest, { timeout: LONGEST }, (failure, output, errors) => {
        if (failure === null) resolve(output);
        else
          resolve(failure.code === 128 + constants.signals.SIGKILL ? 'killed' : `${failure.code}: ${errors}`);
      });
    });
    return { end, calls: Number(readFileSync(this.#count, 'utf8')) };
  }
}
