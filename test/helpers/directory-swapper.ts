import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Two names in one directory that change places, again and again. */
export type Swap = readonly [one: string, other: string];

const PROGRAM = `
  import koffi from 'koffi';
  const libc = koffi.load('libc.so.6');
  const renameat2 = libc.func('int renameat2(int, const char *, int, const char *, uint32_t)');
  const RENAME_EXCHANGE = 2;
  const AT_FDCWD = -100;
  const swaps = JSON.parse(process.argv[1]);
  let done = 0;
  process.stdin.on('end', () => { process.stdout.write(String(done)); process.exit(); }).resume();
  const run = () => {
    for (let round = 0; round < 200; round++)
      for (const [one, other] of swaps)
        if (renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) === 0) done += 1;
    setImmediate(run);
  };
  process.stderr.write('ready');
  run();
`;

/** Another process that exchanges directories for symlinks, as fast as it can. */
export class DirectorySwapper {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(swaps: readonly Swap[]): Promise<DirectorySwapper> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM, JSON.stringify(swaps)], {
      cwd: new URL('../..', import.meta.url).pathname,
      stdio: 'pipe',
    });
    const [text] = await once(child.stderr, 'data');
    if (String(text) !== 'ready') throw new Error(`the swapping process failed: ${text}`);
    return new DirectorySwapper(child);
  }

  /** @returns how many times names changed places */
  async stop(): Promise<number> {
    let output = '';
    this.#process.stdout!.on('data', (text) => {
      output += text;
    });
    this.#process.stdin!.end();
    await once(this.#process, 'close');
    return Number(output);
  }
}
