import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { ContainerdProcess, type Version } from './containerd-process.js';
import { CriClient } from './cri-client.js';
import { DaemonProcess } from './daemon-process.js';
import { makeSampleImage } from './sample-image.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

let directory: string;
let open: DockerRegistry;
let closed: DockerRegistry;
let daemon: DaemonProcess;
let containerd: ContainerdProcess;
let cri: CriClient;
const CREDENTIALS = { username: 'user', password: 'secret' };

/** A network for pods that only says that there is one: it is no part of a snapshotter. */
function makeNetwork(folder: string): string {
  const plugins = [{ type: 'said' }];
  const ips = [{ interface: 0, address: '10.0.0.2/24' }];
  const made = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: '/' }], ips };
  const versions = { cniVersion: '1.0.0', supportedVersions: ['1.0.0'] };
  const script = `#!/bin/sh
case $CNI_COMMAND in
ADD) echo '${JSON.stringify(made)}' ;;
VERSION) echo '${JSON.stringify(versions)}' ;;
esac
`;
  mkdirSync(folder);
  for (const plugin of ['said', 'loopback']) writeFileSync(join(folder, plugin), script, { mode: 0o755 });
  writeFileSync(
    join(folder, 'said.conflist'),
    JSON.stringify({ cniVersion: '1.0.0', name: 'tests', plugins }),
  );
  return folder;
}

/** runc, which opens the host's root to leave it by pivot_root: in a user namespace not every host lets it. */
function makeUserRuntime(program: string): string {
  const script = `#!/bin/sh
for word; do
  shift
  set -- "$@" "$word"
  if [ "$word" = create ]; then set -- "$@" --no-pivot; fi
done
exec runc "$@"
`;
  writeFileSync(program, script, { mode: 0o755 });
  return program;
}

class Pod {
  readonly config: object;
  readonly id: string;
  readonly namespaces: object;

  private constructor(config: object, namespaces: object, id: string) {
    this.config = config;
    this.namespaces = namespaces;
    this.id = id;
  }

  static async start(name: string, namespaces: object = {}, runtimeHandler = ''): Promise<Pod> {
    const config = {
      metadata: { name, uid: name, namespace: 'tests' },
      logDirectory: join(directory, 'logs'),
      linux: { securityContext: { namespaceOptions: namespaces } },
    };
    const { podSandboxId } = await cri.run<{ podSandboxId: string }>('RunPodSandbox', {
      config,
      runtimeHandler,
    });
    return new Pod(config, namespaces, podSandboxId);
  }

  /** @returns its id */
  async run(image: string, config: object = {}): Promise<string> {
    const { containerId } = await cri.run<{ containerId: string }>('CreateContainer', {
      podSandboxId: this.id,
      config: {
        metadata: { name: 'container' },
        image: { image },
        logPath: 'log',
        linux: { securityContext: { namespaceOptions: this.namespaces } },
        ...config,
      },
      sandboxConfig: this.config,
    });
    await cri.run('StartContainer', { containerId });
    return containerId;
  }

  async remove(): Promise<void> {
    await cri.run('StopPodSandbox', { podSandboxId: this.id });
    await cri.run('RemovePodSandbox', { podSandboxId: this.id });
  }
}

async function exec(containerId: string, script: string): Promise<string> {
  const cmd = ['/bin/sh', '-euc', script];
  const { stdout, stderr, exitCode } = await cri.run<{ stdout: Buffer; stderr: Buffer; exitCode: number }>(
    'ExecSync',
    { containerId, cmd, timeout: 10 },
  );
  expect({ exitCode, stderr: stderr.toString() }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.toString();
}

const pull = (image: string, auth?: object) => cri.image('PullImage', { image: { image }, auth });
const SEES = 'cat /etc/base /etc/next; ls -d /gone /replaced/* 2>/dev/null || true';
const SHOWN = 'from the base\nfrom the next\n/replaced/new\n';

const ctr = (...args: readonly string[]) => containerd.ctr('--namespace', 'k8s.io', ...args);
const listSnapshots = () => ctr('snapshots', '--snapshotter', 'overlayer', 'ls');

/** containerd tries to connect again every second or three; a kubelet asks again until then. */
async function daemonIsFound(): Promise<void> {
  while (
    await listSnapshots().then(
      () => false,
      () => true,
    )
  );
}

describe.each<Version>(['1.7', '2.1'])('a node with containerd %s', (version) => {
  beforeAll(async () => {
    directory = makeWorkDirectory();
    chmodSync(directory, 0o711); // root of a user namespace passes
    const images = join(directory, 'images');
    mkdirSync(images);
    makeSampleImage(images);
    const waits = ['--config.cmd', '/bin/busybox', '--config.cmd', 'sleep', '--config.cmd', '100000'];
    execFileSync('umoci', ['config', '--image', `${images}/layout:sample`, '--tag', 'waits', ...waits]);
    const htpasswd = join(directory, 'htpasswd');
    // bcrypt of "secret"
    writeFileSync(htpasswd, 'user:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n');
    open = await DockerRegistry.start(join(directory, 'open'));
    closed = await DockerRegistry.start(join(directory, 'closed'), {
      htpasswd: { realm: 'tests', path: htpasswd },
    });
    const image = { location: `oci:${images}/layout:waits` };
    await push(image, `${open.host}/pause:1`);
    await push(image, `${open.host}/sample:1`);
    await push(image, `${closed.host}/private:1`, 'user:secret');
    daemon = await DaemonProcess.start(directory);
    containerd = await ContainerdProcess.start(directory, {
      version,
      node: {
        sandboxImage: `${open.host}/pause:1`,
        network: makeNetwork(join(directory, 'network')),
        userRuntime: makeUserRuntime(join(directory, 'runc')),
      },
    });
    cri = new CriClient(containerd.address);
  });

  afterAll(async () => {
    cri?.close();
    await containerd?.kill();
    await daemon?.stop('SIGKILL');
    await open?.kill();
    await closed?.kill();
    rmSync(directory, { recursive: true });
  });

  test('an image is pulled, and a pod runs on it', async () => {
    await pull(`${open.host}/sample:1`);
    const applied = daemon.log.filter(({ message }) => message === 'Diff.Apply');
    expect(applied.map(({ code }) => code)).toEqual(['OK', 'OK']);
    const pod = await Pod.start('runs');
    const container = await pod.run(`${open.host}/sample:1`);
    expect(await exec(container, SEES)).toBe(SHOWN);
    await pod.remove();
  });

  test('an image that takes a password', async () => {
    const image = `${closed.host}/private:1`;
    await expect(pull(image)).rejects.toThrow(/auth|401|credential/i);
    await pull(image, CREDENTIALS);
  });

  test('what a container has written is measured', async () => {
    const pod = await Pod.start('writes');
    const container = await pod.run(`${open.host}/sample:1`);
    await exec(container, 'busybox dd if=/dev/urandom of=/written bs=1M count=3 2>/dev/null');
    type Stats = { stats: { writableLayer: { usedBytes: { value: number } } | null } };
    let used = 0;
    while (used < 3 << 20) {
      const { stats } = await cri.run<Stats>('ContainerStats', { containerId: container });
      used = stats.writableLayer?.usedBytes.value ?? 0;
    }
    expect(used).toBeLessThan(4 << 20);
    await pod.remove();
  });

  // 1.7 has no volumes of images, and no mounts that map owners.
  if (version === '2.1') {
    test('an image as a volume', async () => {
      const pod = await Pod.start('volume');
      const mounts = [
        { containerPath: '/volume', image: { image: `${closed.host}/private:1` }, readonly: true },
      ];
      const container = await pod.run(`${open.host}/sample:1`, { mounts });
      expect(await exec(container, 'cat /volume/etc/next; ls /volume/replaced')).toBe('from the next\nnew\n');
      await pod.remove();
    });

    test('a pod in a user namespace: its mounts map the owners', async () => {
      const ids = [{ hostId: 100_000, containerId: 0, length: 65_536 }];
      const pod = await Pod.start('user', { usernsOptions: { mode: 'POD', uids: ids, gids: ids } }, 'user');
      const tasks = await ctr('tasks', 'ls');
      const [, pid] = new RegExp(`^${pod.id}\\s+(\\d+)`, 'm').exec(tasks)!;
      const seen = containerd.run(`cat /proc/${pid}/uid_map; stat -c %u:%g /proc/${pid}/root/etc/base`);
      expect(seen).toMatch(/^\s+0\s+100000\s+65536\n100000:100000\n$/);
      await pod.remove();
    });
  }

  test('the daemon is killed and begins anew under a pod that runs', async () => {
    const pod = await Pod.start('stays');
    const container = await pod.run(`${open.host}/sample:1`);
    await daemon.stop('SIGKILL');
    daemon = await DaemonProcess.start(directory);
    expect(await exec(container, SEES)).toBe(SHOWN);
    await daemonIsFound();
    const next = await pod.run(`${open.host}/sample:1`, { metadata: { name: 'next' } });
    expect(await exec(next, SEES)).toBe(SHOWN);
    await pod.remove();
  });

  test('the node loses its power: what was pulled runs again, without its registry', async () => {
    const lost = await Pod.start('lost');
    await lost.run(`${open.host}/sample:1`);
    await containerd.kill();
    await daemon.stop('SIGKILL');
    await open.kill();
    daemon = await DaemonProcess.start(directory);
    await containerd.start();
    const pod = await Pod.start('again');
    const container = await pod.run(`${open.host}/sample:1`);
    expect(await exec(container, SEES)).toBe(SHOWN);
    await pod.remove();
    await lost.remove();
  });

  test('images that are removed leave nothing', async () => {
    const { images } = await cri.image<{ images: { id: string }[] }>('ListImages', {});
    for (const { id } of images) await cri.image('RemoveImage', { image: { image: id } });
    expect(await listSnapshots()).toBe('KEY PARENT KIND \n');
    expect(await ctr('content', 'ls', '--quiet')).toBe('');
    expect(readdirSync(join(daemon.root, 'snapshots'))).toEqual([]);
    await expectWholeSnapshots(daemon.root);
  });
});
