import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MAIN } from '../cli/helpers.js';

/** What a line of the daemon's log says. */
export type LogLine = { readonly level: string; readonly message: string } & Readonly<
  Record<string, unknown>
>;

/** `overlayer serve` in a process of its own. */
export class DaemonProcess {
  readonly address: string;
  readonly root: string;
  readonly log: LogLine[] = [];
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process;
    this.#exit = once(process, 'exit');
    this.address = join(directory, 'overlayer.sock');
    this.root = join(directory, 'snapshots-root');
  }

  /** @param directory where its socket and its root are, and containerd's socket */
  static async start(directory: string, ...options: readonly string[]): Promise<DaemonProcess> {
    const child = spawn(
      process.execPath,
      [
        ...[MAIN, 'serve', '--address', join(directory, 'overlayer.sock'), '--log', 'json'],
        ...['--root', join(directory, 'snapshots-root')],
        ...['--containerd-address', join(directory, 'containerd.sock'), ...options],
      ],
      { stdio: ['ignore', 'inherit', 'pipe'] },
    );
    const daemon = new DaemonProcess(child, directory);
    const lines = createInterface({ input: child.stderr! });
    lines.on('line', (line) => daemon.log.push(JSON.parse(line)));
    await Promise.race([once(lines, 'line'), daemon.#exit]);
    if (daemon.log[0]?.message !== 'serving') throw new Error(JSON.stringify(daemon.log));
    return daemon;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** @returns its exit code, or the signal that ended it */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown> {
    if (this.isRunning) this.#process.kill(signal);
    const [code, by] = await this.#exit;
    return code ?? by;
  }
}
