import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { containerdConfig } from '../../src/index.js';
import type { MountNamespace } from '../helpers/mount-namespace.js';
import { CONTAINERD_2, NEWER_CONTAINERD } from '../helpers/newer-containerd.js';

/** Of containerd, from Debian 12, 13 and 14: 1.6 unpacks layers itself. */
export type Version = '1.6' | '1.7' | '2.1';

const PROGRAMS: Readonly<Record<Version, readonly string[]>> = {
  '1.6': [],
  '1.7': [NEWER_CONTAINERD],
  '2.1': [CONTAINERD_2],
};

/** Type of layers that only containerd's own differ unpacks, with the help of a program: as encrypted ones. */
export const OTHER_LAYER = 'application/vnd.example.layer.v1.tar';

export interface ContainerdOptions {
  /** @default '1.7' */
  readonly version?: Version;
  /** Whose the blobs are. @default 'containerd' */
  readonly content?: 'containerd' | 'overlayer';
  /** The plugins for Kubernetes, which are left out else; from version 1.7 on. */
  readonly node?: NodeOptions;
  /** A namespace whose mounts it sees. @default its mounts and those of others are apart */
  readonly host?: MountNamespace;
}

interface NodeOptions {
  /** Image of the process that holds a pod's namespaces. */
  readonly sandboxImage: string;
  /** Folder of the container network interface's plugin and its configuration. */
  readonly network: string;
  /** Program of the runtime for user namespaces. */
  readonly userRuntime: string;
}

/** A containerd with root, state, mounts and processes of its own, that has the daemon beside it as its plugin. */
export class ContainerdProcess {
  readonly address: string;
  readonly #directory: string;
  readonly #path: string;
  readonly #host: MountNamespace | undefined;
  #process: ChildProcess | undefined;

  private constructor(directory: string, path: string, host: MountNamespace | undefined) {
    this.#directory = directory;
    this.#path = path;
    this.#host = host;
    this.address = join(directory, 'containerd.sock');
  }

  static async start(directory: string, options: ContainerdOptions = {}): Promise<ContainerdProcess> {
    const path = [...PROGRAMS[options.version ?? '1.7'], process.env['PATH']].join(delimiter);
    const containerd = new ContainerdProcess(directory, path, options.host);
    writeFileSync(join(directory, 'config.toml'), configOf(directory, options));
    await containerd.start();
    return containerd;
  }

  async start(): Promise<void> {
    const isolated = [
      ...(this.#host?.prefix ?? []),
      'unshare',
      '--mount',
      '--propagation',
      this.#host === undefined ? 'private' : 'slave',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
    ];
    const child = spawn(
      isolated[0]!,
      [...isolated.slice(1), 'containerd', '--config', join(this.#directory, 'config.toml')],
      { env: { ...process.env, PATH: this.#path }, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#process = child;
    const said: string[] = [];
    const lines = createInterface({ input: child.stderr! });
    for await (const line of lines) {
      said.push(line);
      if (line.includes('containerd successfully booted')) break;
    }
    if (child.exitCode !== null || said.length === 0) throw new Error(said.join('\n'));
    child.stderr!.resume();
  }

  /** All its processes, containers included, end at once. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  /** @returns what it printed; fails with what it said */
  async ctr(...args: readonly string[]): Promise<string> {
    return (await this.ctrBytes(...args)).toString();
  }

  async ctrBytes(...args: readonly string[]): Promise<Buffer> {
    const { stdout } = await promisify(execFile)('ctr', ['--address', this.address, ...args], {
      env: { ...process.env, PATH: this.#path },
      encoding: 'buffer',
      maxBuffer: 64 << 20,
    });
    return stdout;
  }

  /** Runs a command where its mounts are seen. */
  run(command: string): string {
    const { pid } = this.#process!;
    const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return execFileSync('nsenter', ['--target', child, '--mount', 'sh', '-euc', command], {
      encoding: 'utf8',
    });
  }
}

function configOf(directory: string, options: ContainerdOptions): string {
  const { version = '1.7', content = 'containerd', node } = options;
  const plugins = containerdConfig({
    address: join(directory, 'overlayer.sock'),
    root: join(directory, 'snapshots-root'),
    capabilities: ['rebase', 'remap-ids'],
  });
  const kubernetes =
    version === '2.1'
      ? ['io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images', 'io.containerd.grpc.v1.cri']
      : ['io.containerd.grpc.v1.cri'];
  const disabled = node === undefined ? kubernetes : [];
  if (content === 'overlayer') disabled.push('io.containerd.content.v1.content');
  return `version = ${version === '2.1' ? 3 : 2}
root = "${directory}/containerd-root"
state = "${directory}/containerd-state"
disabled_plugins = ${JSON.stringify(disabled)}
[grpc]
address = "${directory}/containerd.sock"
[ttrpc]
address = "${directory}/containerd.ttrpc"
[stream_processors."other"]
accepts = ["${OTHER_LAYER}"]
returns = "application/vnd.oci.image.layer.v1.tar"
path = "cat"
${content === 'overlayer' ? contentPlugin(directory) : ''}
${node === undefined ? '' : nodePlugins(node, version)}
${version === '1.6' ? plugins.slice(0, plugins.indexOf('# containerd 1.6')) : plugins}`;
}

function nodePlugins({ sandboxImage, network, userRuntime }: NodeOptions, version: Version): string {
  const images = 'snapshotter = "overlayer"';
  const pods = `restrict_oom_score_adj = true
netns_mounts_under_state_dir = true`;
  const runtimes = `runc = { runtime_type = "io.containerd.runc.v2" }
user = { runtime_type = "io.containerd.runc.v2", options = { BinaryName = "${userRuntime}" } }`;
  if (version === '2.1')
    return `[plugins."io.containerd.cri.v1.images"]
${images}
pinned_images = { sandbox = "${sandboxImage}" }
stats_collect_period = 1
[plugins."io.containerd.cri.v1.runtime"]
${pods}
cni = { bin_dirs = ["${network}"], conf_dir = "${network}" }
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes]
${runtimes}`;
  return `[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${sandboxImage}"
stats_collect_period = 1
${pods}
cni = { bin_dir = "${network}", conf_dir = "${network}" }
[plugins."io.containerd.grpc.v1.cri".containerd]
${images}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes]
${runtimes}`;
}

function contentPlugin(directory: string): string {
  return `[proxy_plugins.overlayer-content]
type = "content"
address = "${directory}/overlayer.sock"`;
}
