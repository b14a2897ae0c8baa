import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * A mount namespace like that of a host with systemd: mounts that are made there appear in the namespaces that are made
 * from it. All are gone with it.
 */
export class HostNamespace {
  readonly #holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.#holder = holder;
  }

  static async start(): Promise<HostNamespace> {
    const script = 'mount --make-rshared / && echo ready && exec cat >/dev/null';
    const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return new HostNamespace(holder);
  }

  /** The words before a command that runs it there. The process id is that of the command. */
  get prefix(): readonly string[] {
    return ['nsenter', '--target', `${this.#holder.pid}`, '--mount', '--wdns=/'];
  }

  async close(): Promise<void> {
    const exit = once(this.#holder, 'exit');
    this.#holder.stdin!.end();
    await exit;
  }
}
