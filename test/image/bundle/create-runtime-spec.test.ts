import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CreateRuntimeSpecOptions, createRuntimeSpec } from '../../../src/index.js';
import type { ImageConfig } from '../../../src/oci/image-config.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

const CONFIG: ImageConfig = {
  platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
  diffIDs: [],
  createdAt: '2024-01-02T03:04:05Z',
  process: {
    user: 'app',
    env: ['A=b', 'EMPTY='],
    entrypoint: ['/entry', 'point'],
    cmd: ['com', 'mand'],
    workingDir: '/work',
    labels: {},
    stopSignal: 'SIGINT',
    volumes: [],
    exposedPorts: ['80/tcp', '53/udp'],
  },
};

let root: string;
let rootfs: string;
beforeEach(() => {
  root = makeWorkDirectory();
  rootfs = join(root, 'rootfs');
  mkdirSync(join(rootfs, 'etc'), { recursive: true });
  writeFileSync(join(rootfs, 'etc/passwd'), 'app:x:1234:100::/:\n');
  writeFileSync(join(root, 'passwd'), 'app:x:0:0::/:\n');
});
afterEach(() => rmSync(root, { recursive: true }));

const create = async (
  process: Partial<ImageConfig['process']> = {},
  options: Partial<CreateRuntimeSpecOptions> = {},
) =>
  await createRuntimeSpec({ ...CONFIG, process: { ...CONFIG.process, ...process } }, { rootfs, ...options });

test('what the image says', async () => {
  const { spec, omittedLabels } = await create();
  expect(spec).toMatchObject({
    process: {
      args: ['/entry', 'point', 'com', 'mand'],
      cwd: '/work',
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'A=b', 'EMPTY='],
      user: { uid: 1234, gid: 100, additionalGids: [100] },
    },
    root: { path: rootfs },
  });
  expect(omittedLabels).toEqual([]);
});

test('what the image doesn’t say', async () => {
  const { spec } = await create({ user: '', workingDir: '', env: ['PATH=/own'] });
  expect(spec.process).toMatchObject({ cwd: '/', env: ['PATH=/own'], user: { uid: 0, gid: 0 } });
  expect(spec.process.noNewPrivileges).toBe(true);
  expect(spec.linux?.namespaces).toEqual(['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })));
});

describe('annotations', () => {
  const prefix = 'org.opencontainers.image';

  test('are what is known of the image', async () => {
    const { spec } = await create();
    expect(spec.annotations).toEqual({
      [`${prefix}.os`]: 'linux',
      [`${prefix}.architecture`]: 'arm',
      [`${prefix}.variant`]: 'v7',
      [`${prefix}.created`]: '2024-01-02T03:04:05Z',
      [`${prefix}.stopSignal`]: 'SIGINT',
      [`${prefix}.exposedPorts`]: '80/tcp,53/udp',
    });
  });

  test('are its labels, which go before', async () => {
    const { spec } = await create({ labels: { [`${prefix}.os`]: 'mine', a: 'b' } });
    expect(spec.annotations).toMatchObject({ [`${prefix}.os`]: 'mine', a: 'b' });
  });

  test('are none of those that a runtime obeys', async () => {
    const labels = {
      'run.oci.hooks.stdout': '/x',
      'org.systemd.property.ExecStop': 'x',
      'org.criu.config': 'x',
    };
    const { spec, omittedLabels } = await create({ labels: { ...labels, a: 'b' } });
    expect(omittedLabels).toEqual(Object.keys(labels));
    expect(Object.keys(spec.annotations)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^run|systemd|criu/)]),
    );
  });
});

describe('a volume', () => {
  test('is an empty file system', async () => {
    const { spec } = await create({ volumes: ['/data', '/var/lib//x/../y/'] });
    expect(spec.mounts.slice(-2).map(({ destination, type }) => [destination, type])).toEqual([
      ['/data', 'tmpfs'],
      ['/var/lib/y', 'tmpfs'],
    ]);
  });

  test.each(['', 'data', '/', '/..', '/proc', '/x/../proc/sys', '//sys/fs', '/dev/shm', '/a\0b'])(
    'is not "%s"',
    async (volume) => {
      await expect(create({ volumes: [volume] })).rejects.toMatchObject({ code: 'InvalidArgument' });
    },
  );
});

describe('refused', () => {
  test.each([
    ['a relative working directory', { workingDir: 'work' }],
    ['an environment variable without a value', { env: ['A'] }],
    ['an environment variable without a name', { env: ['=a'] }],
    ['a NUL', { cmd: ['a\0b'] }],
  ])('%s', async (_, process) => {
    await expect(create(process)).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  test('no command', async () => {
    await expect(create({ entrypoint: [], cmd: [] })).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });

  test('a user who is not there', async () => {
    await expect(create({ user: 'nobody' })).rejects.toMatchObject({ code: 'NotFound' });
  });

  test('a root filesystem that is not there, or relative', async () => {
    await expect(create({}, { rootfs: join(root, 'missing') })).rejects.toMatchObject({ code: 'NotFound' });
    await expect(create({}, { rootfs: 'rootfs' })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  test('another system', async () => {
    const on = async (os: string, options: Partial<CreateRuntimeSpecOptions> = {}) =>
      await createRuntimeSpec({ ...CONFIG, platform: { os, architecture: 'amd64' } }, { rootfs, ...options });
    await expect(on('windows')).rejects.toMatchObject({ code: 'Unimplemented' });
    await expect(on('freebsd', { os: 'linux' })).rejects.toMatchObject({ code: 'FailedPrecondition' });
    const rootless = { uidMappings: [], gidMappings: [] };
    await expect(on('freebsd', { rootless })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('the user database is the image’s own (CVE-2024-9676)', () => {
  const etc = (name: string) => join(rootfs, 'etc', name);
  beforeEach(() => rmSync(etc('passwd')));
  const user = async () => (await create()).spec.process.user.uid;

  test.each([
    ['an absolute symlink', () => symlinkSync('/users/passwd', etc('passwd'))],
    ['a symlink up and away', () => symlinkSync('../../../../../../../users/passwd', etc('passwd'))],
    [
      'several',
      () => {
        symlinkSync('one', etc('passwd'));
        symlinkSync('/etc/../etc/two', etc('one'));
        symlinkSync('../link/passwd', etc('two'));
        symlinkSync('/users', join(rootfs, 'link'));
      },
    ],
    [
      'a directory that is one',
      () => {
        rmSync(join(rootfs, 'etc'), { recursive: true });
        symlinkSync('/users', join(rootfs, 'etc'));
      },
    ],
  ])('%s stays inside', async (_, make) => {
    mkdirSync(join(rootfs, 'users'));
    writeFileSync(join(rootfs, 'users/passwd'), 'app:x:42:42::/:\n');
    make();
    expect(await user()).toBe(42);
  });

  test.each([
    ['../../passwd', 'NotFound'],
    ['/etc/hostname/x', 'NotFound'],
    ['passwd', 'InvalidArgument'],
    ['/', 'InvalidArgument'],
    ['..', 'InvalidArgument'],
    ['/dev', 'InvalidArgument'],
  ])('a symlink to %s leads to nothing', async (target, code) => {
    mkdirSync(join(rootfs, 'dev'));
    writeFileSync(etc('hostname'), '');
    symlinkSync(target, etc('passwd'));
    await expect(user()).rejects.toMatchObject({ code });
  });

  test('a pipe is not waited for', async () => {
    execFileSync('mkfifo', [etc('passwd')]);
    await expect(user()).rejects.toMatchObject({ code: 'InvalidArgument' });
  });

  test('one without end is not read', async () => {
    writeFileSync(etc('passwd'), Buffer.alloc(4 * 1024 ** 2 + 1, '\n'));
    await expect(user()).rejects.toMatchObject({ code: 'ResourceExhausted' });
  });
});

describe('rootless', () => {
  const map = (size: number) => [{ containerID: 0, hostID: 100_000, size }];
  const rootless = (size: number) => ({ rootless: { uidMappings: map(size), gidMappings: map(size) } });

  test('there is a user namespace, and nothing that needs the host’s root', async () => {
    const { spec } = await create({}, rootless(65_536));
    expect(spec.linux).toMatchObject({ uidMappings: map(65_536), gidMappings: map(65_536) });
    expect(spec.linux?.namespaces.map(({ type }) => type)).toEqual(['pid', 'ipc', 'uts', 'mount', 'user']);
    expect(spec.linux?.resources).toBeUndefined();
    expect(spec.mounts.filter(({ type, options }) => type === 'sysfs' || options.includes('gid=5'))).toEqual(
      [],
    );
  });

  test('groups that do not exist there are left out', async () => {
    writeFileSync(join(rootfs, 'etc/group'), 'in:x:5000:app\nout:x:70000:app\n');
    expect((await create({}, rootless(65_536))).spec.process.user.additionalGids).toEqual([100, 5000]);
    expect((await create({ user: '0' }, rootless(1))).spec.process.user.additionalGids).toEqual([]);
  });

  test('a user who does not exist there is refused', async () => {
    await expect(create({}, rootless(1000))).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });
});

describe('FreeBSD', () => {
  const freebsd = async (os: string) =>
    (
      await createRuntimeSpec(
        { ...CONFIG, platform: { os, architecture: 'amd64' } },
        { rootfs, os: 'freebsd' },
      )
    ).spec;

  test('has jails', async () => {
    const spec = await freebsd('freebsd');
    expect(spec).toMatchObject({ ociVersion: '1.3.0', freebsd: { jail: { host: 'new', vnet: 'new' } } });
    expect(spec.mounts.map(({ type, destination }) => [type, destination])).toEqual([
      ['devfs', '/dev'],
      ['fdescfs', '/dev/fd'],
    ]);
    expect(spec.linux).toBeUndefined();
    expect(spec.process).not.toHaveProperty('capabilities');
  });

  test('has what Linux programs look for', async () => {
    const types = (await freebsd('linux')).mounts.map(({ type }) => type);
    expect(types).toEqual(['linprocfs', 'linsysfs', 'devfs', 'fdescfs']);
  });
});
