import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** Who the processes in the namespace are. */
export type Privileges =
  /** Root, as on the host. */
  | 'root'
  /** A user without any privileges, who is root in a user namespace of its own. */
  | 'user-namespace';

export const NOBODY = 65534;

/** What to put before a command to run it without privileges. */
export const AS_NOBODY: readonly string[] = [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
];

/** The shell's last words on a command: its exit status. */
const END = /\[(\d+)\]\n$/;

/**
 * A mount namespace of its own, held by a shell that carries out commands. What is mounted there is gone with
 * it, and is seen from here below `view`.
 */
export class MountNamespace {
  readonly #shell: ChildProcessWithoutNullStreams;
  #output = '';
  #mounts = 0;

  private constructor(shell: ChildProcessWithoutNullStreams) {
    this.#shell = shell;
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
  }

  static async start(privileges: Privileges): Promise<MountNamespace> {
    const unshare = ['unshare', '--mount', '--propagation', 'private'];
    const command =
      privileges === 'root'
        ? [...unshare, 'sh']
        : [...AS_NOBODY, ...unshare, '--user', '--map-root-user', 'sh'];
    const namespace = new MountNamespace(spawn(command[0]!, command.slice(1), { stdio: 'pipe', cwd: '/' }));
    await namespace.run(':');
    return namespace;
  }

  /** One like that of a host with systemd: mounts that are made there appear in the namespaces that are made from it. */
  static async startShared(): Promise<MountNamespace> {
    const namespace = await MountNamespace.start('root');
    await namespace.run('mount --make-rshared /');
    return namespace;
  }

  /** The words before a command that runs it there. The process id is that of the command. */
  get prefix(): readonly string[] {
    return ['nsenter', '--target', `${this.#shell.pid}`, '--mount', '--wdns=/'];
  }

  /** Runs a line of shell. @returns what it wrote */
  async run(line: string): Promise<string> {
    this.#output = '';
    this.#shell.stdin.write(`( ${line}\n) 2>&1; echo "[$?]"\n`);
    let end = END.exec(this.#output);
    while (end === null) {
      if (this.#shell.exitCode !== null) throw new Error(`the namespace is gone: ${this.#output}`);
      await this.#more();
      end = END.exec(this.#output);
    }
    const text = this.#output.slice(0, end.index);
    if (end[1] !== '0') throw new Error(`"${line}" failed (${end[1]}): ${text}`);
    return text;
  }

  /** Waits for output, or the end. */
  async #more(): Promise<void> {
    const done = new AbortController();
    const { signal } = done;
    const events = [once(this.#shell.stdout, 'data', { signal }), once(this.#shell, 'exit', { signal })];
    for (const event of events) event.catch(() => {});
    await Promise.race(events);
    done.abort();
  }

  /** A path outside of the namespace to a place in it. */
  view(path: string): string {
    return join(`/proc/${this.#shell.pid}/root`, path);
  }

  /**
   * Mounts layers over one another, read only, the uppermost first, at a new directory below `parent`.
   * @returns a path to the merged tree that is good outside the namespace
   */
  async mountOverlay(parent: string, layers: readonly string[], option?: 'userxattr'): Promise<string> {
    const place = join(parent, `mount-${this.#mounts++}`);
    // overlayfs wants two lower directories where there is no upper one.
    const bottom = join(parent, 'bottom');
    mkdirSync(place, { mode: 0o755 });
    mkdirSync(bottom, { mode: 0o755, recursive: true });
    const options = [
      `lowerdir=${[...layers, bottom].join(':')}`,
      ...(option === undefined ? [] : [option]),
    ].join(',');
    await this.run(`mount -t overlay overlay -o '${options}' '${place}'`);
    return join(`/proc/${this.#shell.pid}/root`, place);
  }

  /**
   * Mounts layers with a new one to write to, all in new directories below `parent`, `lowers` nearest first.
   * @returns the mount's path in the namespace, and outside of it; and the upperdir
   */
  async mountWritable(
    parent: string,
    lowers: readonly string[],
    options: readonly string[] = [],
  ): Promise<{ readonly path: string; readonly seen: string; readonly upper: string }> {
    const place = join(parent, `mount-${this.#mounts++}`);
    const [upper, work] = [`${place}-upper`, `${place}-work`];
    await this.run(`mkdir '${place}' '${upper}' '${work}'`);
    const all = [`lowerdir=${lowers.join(':')}`, `upperdir=${upper}`, `workdir=${work}`, ...options];
    await this.run(`mount -t overlay overlay -o '${all.join(',')}' '${place}'`);
    return { path: place, seen: join(`/proc/${this.#shell.pid}/root`, place), upper };
  }

  /** Carries out a mount as containerd does, at a new directory below `parent`. @returns a path to it from outside */
  async mount(
    parent: string,
    {
      type,
      source,
      options,
    }: { readonly type: string; readonly source: string; readonly options: readonly string[] },
  ): Promise<string> {
    const place = join(parent, `mount-${this.#mounts++}`);
    await this.run(`mkdir '${place}' && mount -t ${type} '${source}' '${place}' -o '${options.join(',')}'`);
    return this.view(place);
  }

  /** Unmounts a mount of this class, by the path from outside. */
  async unmount(path: string): Promise<void> {
    await this.run(`umount '${path.slice(this.view('/').length - 1)}'`);
  }

  async close(): Promise<void> {
    this.#shell.stdin.end();
    await once(this.#shell, 'exit');
  }
}
