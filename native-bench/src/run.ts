import { spawnSync } from 'node:child_process';

export type Command = readonly string[];

/** A line of shell; a failure anywhere in a pipeline is its failure. */
export function shell(line: string): Command {
  return ['bash', '-o', 'pipefail', '-c', line];
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
}

/** Runs a command to its end and returns what it printed. */
export function run([file, ...args]: Command, { env, cwd }: RunOptions = {}): string {
  const result = spawnSync(file!, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    const end = result.signal ?? `status ${result.status}`;
    throw new Error(`${[file, ...args].join(' ')}\nended with ${end}:\n${result.stderr.slice(-2000)}`);
  }
  return result.stdout;
}
