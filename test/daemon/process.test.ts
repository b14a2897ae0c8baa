import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MAIN, overlayer } from '../cli/helpers.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { CONTAINERD_2, NEWER_CONTAINERD } from '../helpers/newer-containerd.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { DaemonProcess } from './daemon-process.js';
import { connect } from './grpc-client.js';

const snapshotter = 'overlayer';

let directory: string;
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

/** In systemd's stead: what a service tells it, in a datagram. */
const RECEIVE = `import socket, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(sys.argv[1])
print('bound', flush=True)
print(receiver.recv(100).decode())`;

/** A file for systemd. */
const unit = (kind: 'service' | 'socket') =>
  readFileSync(join(import.meta.dirname, `../../src/daemon/systemd/overlayer.${kind}`), 'utf8');

test('SIGTERM ends it in good order; what a killed one leaves is taken over', async () => {
  const first = await DaemonProcess.start(directory);
  const client = connect('snapshots', first.address);
  await client.ask('prepare', { snapshotter, key: 'kept' });
  expect(await first.stop('SIGKILL')).toBe('SIGKILL');
  expect(existsSync(first.address)).toBe(true);
  client.close();
  const second = await DaemonProcess.start(directory);
  const again = connect('snapshots', second.address);
  expect(await again.ask('stat', { snapshotter, key: 'kept' })).toMatchObject({ info: { kind: 'ACTIVE' } });
  expect(await second.stop()).toBe(0);
  again.close();
  expect(readdirSync(directory)).toEqual(['snapshots-root']);
  expect(second.log.at(-1)).toMatchObject({ message: 'stopping' });
});

test('metrics are there for Prometheus', async () => {
  const daemon = await DaemonProcess.start(directory, '--metrics', '127.0.0.1:0');
  const client = connect('snapshots', daemon.address);
  await client.ask('prepare', { snapshotter, key: 'key' });
  await client.ask('stat', { snapshotter, key: 'none' }).catch(() => {});
  client.close();
  const response = await fetch(`http://${daemon.log[0]!['metrics']}/metrics`);
  const text = await response.text();
  const service = 'containerd.services.snapshots.v1.Snapshots';
  expect(text).toContain(`overlayer_requests_total{service="${service}",method="Prepare",code="OK"} 1`);
  expect(text).toContain(`overlayer_requests_total{service="${service}",method="Stat",code="NotFound"} 1`);
  expect(text).toMatch(/^process_resident_memory_bytes \d/m);
  expect(await daemon.stop()).toBe(0);
});

test('health is told, and watched', async () => {
  const daemon = await DaemonProcess.start(directory);
  const loaded = loadPackageDefinition(loadSync(protoPath, { enums: String, defaults: true }));
  const { Health } = (loaded as never as { grpc: { health: { v1: { Health: ServiceClientConstructor } } } })
    .grpc.health.v1;
  const client = new Health(`unix:${daemon.address}`, credentials.createInsecure());
  const watched: string[] = [];
  const watch = client['watch']!({ service: '' });
  watch.on('data', ({ status }: { status: string }) => watched.push(status));
  watch.on('error', () => {});
  await once(watch, 'data');
  expect(await daemon.stop()).toBe(0);
  expect(watched).toEqual(['SERVING', 'NOT_SERVING']);
  client.close();
});

test('a socket of systemd is served, and stays', async () => {
  const address = join(directory, 'activated.sock');
  const root = join(directory, 'root');
  const [, options] = /^ExecStart=overlayer (.*)$/m.exec(unit('service'))!;
  const command = [
    process.execPath,
    MAIN,
    ...options!.replace('/var/lib/overlayer-containerd', root).split(' '),
  ];
  const notified = join(directory, 'notify.sock');
  const receiver = spawn('python3', ['-c', RECEIVE, notified], { stdio: ['ignore', 'pipe', 'inherit'] });
  const told = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
  expect((await told.next()).value).toBe('bound');
  const activated = spawn(
    'systemd-socket-activate',
    ['--listen', address, '--setenv', `NOTIFY_SOCKET=${notified}`, ...command],
    { stdio: 'pipe' },
  );
  const lines = createInterface({ input: activated.stderr });
  await once(lines, 'line'); // it listens
  const said: string[] = [];
  lines.on('line', (line) => said.push(line));
  const client = connect('snapshots', address);
  expect(await client.list('list', { snapshotter })).toEqual([]);
  client.close();
  const serving = () => said.find((line) => line.includes('"serving"'));
  while (serving() === undefined) await once(lines, 'line');
  expect(JSON.parse(serving()!)).toMatchObject({ address, root });
  expect((await told.next()).value).toBe('READY=1');
  activated.kill();
  expect(await once(activated, 'exit')).toEqual([0, null]);
  expect(existsSync(address)).toBe(true);
});

test('a descriptor of systemd that is no socket is named', async () => {
  const script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3</dev/null';
  const command = [process.execPath, MAIN, 'serve', '--root', join(directory, 'root')];
  const { status, stderr } = spawnSync('sh', ['-c', script, ...command], { encoding: 'utf8' });
  expect(status).toBe(3);
  expect(stderr).toContain('Descriptor 3');
});

test('its files for systemd are such, and say the same as the program', async () => {
  // Where overlayer is not installed.
  writeFileSync(
    join(directory, 'overlayer.service'),
    unit('service').replace('ExecStart=overlayer', `ExecStart=${process.execPath}`),
  );
  writeFileSync(join(directory, 'overlayer.socket'), unit('socket'));
  const files = ['overlayer.service', 'overlayer.socket'].map((name) => join(directory, name));
  const verified = spawnSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8' });
  expect(verified).toMatchObject({ status: 0, stdout: '', stderr: '' });
  const printed = await overlayer(['serve', '--print-containerd-config', '--root', join(directory, 'root')]);
  const [, address] = /^ListenStream=(.*)$/m.exec(unit('socket'))!;
  expect(printed.stdout).toContain(`address = "${address}"`);
  const [, root] = /^ExecStart=.* --root (\S+)/m.exec(unit('service'))!;
  expect((await overlayer(['serve', '--help'])).stdout).toContain(root);
});

test('its drop-in for erofs resets the options that hide mounts from containerd', () => {
  const dropIn = readFileSync(
    join(import.meta.dirname, '../../src/daemon/systemd/overlayer-erofs.conf'),
    'utf8',
  );
  const hiding = unit('service').match(/^(?:Protect|Private|ReadOnly|ReadWrite|Inaccessible)\w*(?==)/gm)!;
  for (const option of hiding) expect(dropIn).toMatch(new RegExp(`^${option}=no$`, 'm'));
  const [, command] = /^ExecStart=(.+)$/m.exec(unit('service'))!;
  expect(dropIn).toContain(`ExecStart=${command!.replace(' --log', ' --backend erofs --log')}`);
  const here = (text: string) => text.replace('ExecStart=overlayer', `ExecStart=${process.execPath}`);
  writeFileSync(join(directory, 'overlayer.service'), here(unit('service')));
  writeFileSync(join(directory, 'overlayer.socket'), unit('socket'));
  mkdirSync(join(directory, 'overlayer.service.d'));
  writeFileSync(join(directory, 'overlayer.service.d/erofs.conf'), here(dropIn));
  const verified = spawnSync('systemd-analyze', ['verify', join(directory, 'overlayer.service')], {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` },
  });
  expect(verified).toMatchObject({ status: 0, stdout: '', stderr: '' });
});

test('without a socket it says so; with images in its root it serves nothing', async () => {
  const root = join(directory, 'root');
  const nowhere = await overlayer(['serve', '--root', root]);
  expect(nowhere).toMatchObject({ code: 3, stdout: '' });
  const layout = writeFiles(join(directory, 'layout'), layoutFiles());
  await overlayer(['import', '--root', root, layout]);
  const refused = await overlayer(['serve', '--root', root, '--address', join(directory, 'sock')]);
  expect(refused.code).toBe(9);
  expect(refused.stderr).toContain('choose another root');
});

test("the part of containerd's configuration is one that containerd reads", async () => {
  const printed = join(directory, 'overlayer.toml');
  const options = ['--address', '/run/x.sock', '--name', 'my layers', '--root', join(directory, 'root')];
  const { code, stdout } = await overlayer(['serve', '--print-containerd-config', ...options]);
  expect(code).toBe(0);
  writeFileSync(printed, stdout);
  const containerd = (...args: string[]) =>
    execFileSync(join(NEWER_CONTAINERD, 'containerd'), args, { encoding: 'utf8' });
  const debian = readFileSync(join(NEWER_CONTAINERD, '../../etc/containerd/config.toml'), 'utf8');
  const ways = {
    shortest: `version = 2\n${stdout}`,
    "Debian's": debian + stdout,
    imported: containerd('config', 'default').replace('imports = []', `imports = ["${printed}"]`),
  };
  for (const [way, text] of Object.entries(ways)) {
    const file = join(directory, 'config.toml');
    writeFileSync(file, text);
    const dump = containerd('--config', file, 'config', 'dump');
    expect(dump, way).toContain('[proxy_plugins."my layers"]');
    expect(dump, way).toContain('address = "/run/x.sock"');
    expect(dump, way).toContain('default = ["my layers-diff", "walking"]');
    expect(dump, way).toContain('snapshotter = "my layers"');
  }
});

test.each([
  ['2', NEWER_CONTAINERD],
  ['2', CONTAINERD_2],
  ['3', CONTAINERD_2],
])('a file of its own, of version %s, is one that %s imports', async (version, programs) => {
  const confd = join(directory, 'conf.d');
  mkdirSync(confd);
  const options = ['--address', '/run/x.sock', '--root', join(directory, 'root'), '--only-remap-ids'];
  const printed = await overlayer(['serve', '--print-containerd-config', version, ...options]);
  writeFileSync(join(confd, 'overlayer.toml'), printed.stdout);
  const containerd = (...args: string[]) =>
    execFileSync(join(programs, 'containerd'), args, { encoding: 'utf8' }).replaceAll("'", '"');
  const file = join(directory, 'config.toml');
  writeFileSync(
    file,
    containerd('config', 'default').replace('imports = []', `imports = ["${confd}/*.toml"]`),
  );
  const dump = containerd('--config', file, 'config', 'dump');
  expect(dump).toContain('[proxy_plugins.overlayer]');
  expect(dump).toMatch(/capabilities = \[.*"only-remap-ids"\]/);
  expect(dump).toContain('default = ["overlayer-diff", "walking"]');
  const unpacked = dump.split('unpack_config]]').slice(1);
  expect(unpacked.map((table) => /snapshotter = "(.*)"/.exec(table)![1])).toEqual(['overlayfs', 'overlayer']);
});

test('version 4 has the snapshotter for EROFS images, which containerd 2.3 has', async () => {
  const options = ['--address', '/run/x.sock', '--root', join(directory, 'root')];
  const { stdout } = await overlayer(['serve', '--print-containerd-config', '4', ...options]);
  expect(stdout).toMatch(/^version = 4$/m);
  expect(stdout).toMatch(
    /^ {2}platform = "linux\(\+erofs\)\/.*\n {2}snapshotter = "erofs"\n {2}differ = "erofs"\n {2}optional = true$/m,
  );
  expect((await overlayer(['serve', '--print-containerd-config', '5', ...options])).code).toBe(3);
});

test('10,000 requests leave nothing behind', async () => {
  const daemon = await DaemonProcess.start(directory);
  const client = connect('snapshots', daemon.address);
  const round = async (count: number) => {
    for (let number = 0; number < count; number += 50)
      await Promise.all(
        Array.from({ length: 50 }, async (_, offset) => {
          const key = `key ${number + offset}`;
          // 49 that change nothing, and then one that does.
          if (offset > 0) return await client.ask('stat', { snapshotter, key }).catch(() => {});
          await client.ask('prepare', { snapshotter, key });
          return await client.ask('remove', { snapshotter, key });
        }),
      );
  };
  const descriptors = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
  const mounts = () => readFileSync(`/proc/${daemon.pid}/mountinfo`, 'utf8').split('\n').length;
  const resident = () =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))![1]);
  await round(1000);
  const before = { descriptors: descriptors(), mounts: mounts(), resident: resident() };
  await round(9000);
  expect(descriptors()).toBeLessThanOrEqual(before.descriptors + 2);
  expect(mounts()).toBe(before.mounts);
  expect(resident() - before.resident).toBeLessThan(60_000); // KiB: what garbage waits to be collected
  expect(readdirSync(join(daemon.root, 'snapshots'))).toEqual([]);
  client.close();
  expect(await daemon.stop()).toBe(0);
});
