import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { MAIN } from '../cli/helpers.js';
import type { MountNamespace } from '../helpers/mount-namespace.js';

/** Holds a socket, in systemd's stead. */
const HOLDER = join(import.meta.dirname, 'held-socket.py');

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
  readonly #lines: Interface;
  readonly #exit: Promise<unknown[]>;

  private constructor(process: ChildProcess, directory: string) {
    this.#process = process;
    this.#lines = createInterface({ input: process.stderr! });
    this.#lines.on('line', (line) => this.log.push(JSON.parse(line)));
    this.#exit = once(process, 'exit');
    this.address = addressIn(directory);
    this.root = join(directory, 'snapshots-root');
  }

  /** @param directory where its socket and its root are, and containerd's socket */
  static async start(directory: string, ...options: readonly string[]): Promise<DaemonProcess> {
    const command = commandOf(directory, '--address', addressIn(directory), ...options);
    return await DaemonProcess.#started(
      spawn(process.execPath, command, { stdio: ['ignore', 'inherit', 'pipe'] }),
      directory,
    );
  }

  /** In another mount namespace. */
  static async startIn(
    host: MountNamespace,
    directory: string,
    ...options: readonly string[]
  ): Promise<DaemonProcess> {
    const [program, ...rest] = [...host.prefix, process.execPath];
    const command = [...rest, ...commandOf(directory, '--address', addressIn(directory), ...options)];
    return await DaemonProcess.#started(
      spawn(program!, command, { stdio: ['ignore', 'inherit', 'pipe'] }),
      directory,
    );
  }

  /** With a socket that is held as by systemd, whatever becomes of the daemon: see `restart`. */
  static async startHeld(
    host: MountNamespace,
    directory: string,
    ...options: readonly string[]
  ): Promise<DaemonProcess> {
    const [program, ...rest] = [...host.prefix, 'python3', HOLDER, addressIn(directory), process.execPath];
    const command = [...rest, ...commandOf(directory, ...options)];
    return await DaemonProcess.#started(spawn(program!, command, { stdio: 'pipe' }), directory);
  }

  static async #started(child: ChildProcess, directory: string): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(child, directory);
    await Promise.race([daemon.said(1), daemon.#exit]);
    if (daemon.log[0]?.message !== 'serving') throw new Error(JSON.stringify(daemon.log));
    return daemon;
  }

  /** Settles once the log has so many more lines. */
  async said(lines: number): Promise<void> {
    const wanted = this.log.length + lines;
    while (this.log.length < wanted) await once(this.#lines, 'line');
  }

  /** Settles when the next one serves. */
  async serving(): Promise<void> {
    const from = this.log.length;
    while (!this.log.slice(from).some(({ message }) => message === 'serving'))
      await once(this.#lines, 'line');
  }

  get pid(): number {
    return this.#process.pid!;
  }

  get isRunning(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** One whose socket is held: ends the daemon and starts it again. @returns its exit code */
  async restart(): Promise<number> {
    const { stdin, stdout } = this.#process;
    stdin!.write('\n');
    const [code] = await once(stdout!.setEncoding('utf8'), 'data');
    return Number(code);
  }

  /** @returns its exit code, or the signal that ended it */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<unknown> {
    if (this.isRunning) this.#process.kill(signal);
    const [code, by] = await this.#exit;
    return code ?? by;
  }
}

const addressIn = (directory: string) => join(directory, 'overlayer.sock');

function commandOf(directory: string, ...options: readonly string[]): string[] {
  return [
    ...[MAIN, 'serve', '--log', 'json', '--root', join(directory, 'snapshots-root')],
    ...['--containerd-address', join(directory, 'containerd.sock'), ...options],
  ];
}
