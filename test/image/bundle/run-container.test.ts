import { chmodSync, copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CreateRuntimeSpecOptions, createRuntimeSpec } from '../../../src/index.js';
import type { ImageConfig } from '../../../src/oci/image-config.js';
import { MountNamespace } from '../../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// By Debian's crun, on a root filesystem of busybox alone.

const bundle = makeWorkDirectory();
const rootfs = join(bundle, 'rootfs');
let namespace: MountNamespace;
let containers = 0;

beforeAll(async () => {
  // Who is root in a user namespace only is another on the way.
  chmodSync(bundle, 0o755);
  for (const name of ['bin', 'etc', 'work']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const name of ['sh', 'id', 'cat', 'grep', 'touch', 'stat'])
    symlinkSync('busybox', join(rootfs, 'bin', name));
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0::/:\napp:x:1234:100::/:\n');
  writeFileSync(join(rootfs, 'etc/group'), 'users:x:100:\naudio:x:29:app\n');
  namespace = await MountNamespace.start('root');
  // crun has no word for a machine that mixes both versions.
  await namespace.run('mount -t cgroup2 none /sys/fs/cgroup');
});
afterAll(async () => {
  await namespace.close();
  rmSync(bundle, { recursive: true });
});

/** @returns what the container wrote */
async function run(
  script: string,
  process: Partial<ImageConfig['process']> = {},
  options: Partial<CreateRuntimeSpecOptions> = {},
): Promise<string> {
  const config: ImageConfig = {
    platform: { os: 'linux', architecture: 'amd64' },
    ...{ diffIDs: [], createdAt: undefined },
    process: {
      ...{
        user: '',
        env: [],
        workingDir: '',
        labels: {},
        stopSignal: undefined,
        volumes: [],
        exposedPorts: [],
      },
      ...process,
      entrypoint: ['/bin/sh', '-c'],
      cmd: [script],
    },
  };
  const { spec } = await createRuntimeSpec(config, { rootfs, ...options });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const crun = `crun --root ${join(bundle, 'state')} --cgroup-manager=disabled`;
  return await namespace.run(`${crun} run --bundle ${bundle} overlayer-test-${containers++} </dev/null`);
}

describe('a container', () => {
  test('runs as the image’s user, where it says, with its environment', async () => {
    const output = await run('id; echo $PWD $HELLO $PATH', {
      user: 'app',
      env: ['HELLO=world'],
      workingDir: '/work',
    });
    expect(output).toBe(
      `uid=1234(app) gid=100(users) groups=29(audio),100(users)
/work world /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
`,
    );
  });

  test('has the default capabilities and no new ones', async () => {
    expect(await run('grep -E "CapEff|NoNewPrivs" /proc/self/status')).toBe(
      'CapEff:\t00000000a80425fb\nNoNewPrivs:\t1\n',
    );
  });

  test('has its volumes, and what runtimes see to', async () => {
    const output = await run('touch /data/x; stat -f -c %T /data /dev /dev/shm /proc /sys /run', {
      volumes: ['/data'],
    });
    expect(output).toBe('tmpfs\ntmpfs\ntmpfs\nproc\nsysfs\ntmpfs\n');
  });

  test('runs in a user namespace', async () => {
    const mappings = [{ containerID: 0, hostID: 100_000, size: 2000 }];
    const rootless = { uidMappings: mappings, gidMappings: mappings };
    const output = await run(
      'id -u; cat /proc/self/uid_map; stat -f -c %T /proc',
      { user: 'app' },
      { rootless },
    );
    expect(output.split(/\s+/)).toEqual(['1234', '0', '100000', '2000', 'proc', '']);
  });
});
