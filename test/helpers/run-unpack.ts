import { spawnSync } from 'node:child_process';
import type { LayerResult, OverlayerError, UnpackLayerOptions } from '../../src/index.js';

export interface UnpackRun {
  /** A file: the process may be another user's. */
  readonly source: string;
  readonly destination: string;
  readonly options: UnpackLayerOptions;
}

export type UnpackOutcome =
  | { readonly result: LayerResult }
  | { readonly error: Pick<OverlayerError, 'code' | 'message'> & Partial<Pick<OverlayerError, 'hint'>> };

export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** What to put before `node`, such as setpriv. */
  readonly prefix?: readonly string[];
}

const INDEX = new URL('../../dist/index.js', import.meta.url).href;

const PROGRAM = `(async () => {
  const { unpackLayer, OverlayerError } = await import(${JSON.stringify(INDEX)});
  const outcomes = [];
  for (const { source, destination, options } of JSON.parse(process.argv[1]))
    outcomes.push(await unpackLayer(source, destination, options).then(
      (result) => ({ result }),
      (error) => ({ error: { code: OverlayerError.is(error) ? error.code : 'Internal', message: String(error.stack), hint: error.hint } }),
    ));
  process.stdout.write(JSON.stringify(outcomes));
})()`;

/** A command that unpacks one layer after the other and prints the outcomes. */
export function unpackCommand(runs: readonly UnpackRun[]): string[] {
  return [process.execPath, '-e', PROGRAM, JSON.stringify(runs)];
}

/** Unpacks in a process of its own: another user, another environment. */
export function runUnpack(
  run: UnpackRun,
  { env = {}, cwd = '/', prefix = [] }: RunOptions = {},
): UnpackOutcome {
  const [program, ...args] = [...prefix, ...unpackCommand([run])] as [string, ...string[]];
  const { stdout, stderr, status } = spawnSync(program, args, {
    env: { ...process.env, ...env },
    cwd,
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (status !== 0) throw new Error(`unpacking in a process of its own failed (${status}): ${stderr}`);
  return (JSON.parse(stdout) as [UnpackOutcome])[0];
}
