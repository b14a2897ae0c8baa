import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { overlayer } from '../cli/helpers.js';
import { sha256 } from '../helpers/tree.js';
import type { Version } from './containerd-process.js';
import { IMAGE } from './sample-image.js';
import { useContainerd } from './use-containerd.js';
import { expectWholeSnapshots } from './whole-snapshots.js';

const SHOWN = 'from the base\nfrom the next\n/replaced/new';
/** The container compares: ctr may lose what it prints right before its end on a busy machine, but not its status. */
const SEES = `seen=$(cat /etc/base /etc/next; ls -d /gone /replaced/* 2>/dev/null)
[ "$seen" = '${SHOWN}' ] || { echo "it sees: $seen" >&2; exit 1; }`;

const VERSIONS: readonly Version[] = ['1.6', '1.7', '2.1'];
const CASES = VERSIONS.flatMap((version) => [
  { version, layers: 'directories', backend: undefined },
  { version, layers: 'EROFS files', backend: 'erofs' as const },
]);

describe.each(CASES)("containerd $version, with overlayer's snapshots, layers are $layers", (how) => {
  const { version, backend } = how;
  const used = useContainerd({ version, backend });
  const ctr = (...args: readonly string[]) => used.containerd.ctr(...args);
  const snapshots = (...args: readonly string[]) => ctr('snapshots', '--snapshotter', 'overlayer', ...args);
  const run = (name: string, script: string, ...options: readonly string[]) =>
    ctr('run', '--snapshotter', 'overlayer', ...options, IMAGE, name, '/bin/sh', '-c', script);

  test('an image is imported and unpacked', async () => {
    await ctr('images', 'import', '--snapshotter', 'overlayer', used.archive);
    expect(await snapshots('ls')).toMatch(/(Committed\s[\s\S]*){2}/);
    const applied = used.daemon.log.filter(({ message }) => message === 'Diff.Apply');
    expect(applied.map(({ code }) => code)).toEqual(version === '1.6' ? [] : ['OK', 'OK']);
  });

  test('a container runs on it', async () => {
    await run('one', SEES, '--rm');
  });

  test('what a container changed is committed, and runs again', async () => {
    await run('changing', 'echo changed > /etc/base; echo new > /new');
    await snapshots('commit', 'changed', 'changing');
    await snapshots('prepare', 'changed-1', 'changed');
    const rootfs = join(used.directory, 'rootfs');
    const mount = await snapshots('mounts', rootfs, 'changed-1');
    used.containerd.run(`mkdir ${rootfs} && ${mount}`);
    // Into a file, which nothing can lose.
    const look = ['/bin/sh', '-c', 'cat /etc/base /new > /seen'];
    await ctr('run', '--rm', '--rootfs', rootfs, 'two', ...look);
    expect(used.containerd.run(`cat ${rootfs}/seen`)).toBe('changed\nnew\n');
  });

  test('what a container changed is a layer, in containerd', async () => {
    await run('layered', 'echo changed > /etc/base; echo new > /new; rm /etc/next');
    const layer = await used.containerd.ctrBytes(
      'snapshots',
      '--snapshotter',
      'overlayer',
      'diff',
      '--keep',
      'layered',
    );
    const listed = execFileSync('tar', ['-tz'], { input: layer, encoding: 'utf8' }).split('\n');
    expect(listed).toEqual(expect.arrayContaining(['new', 'etc/base', 'etc/.wh.next']));
    const digest = `sha256:${sha256(layer)}`;
    expect(await ctr('content', 'ls')).toContain(digest);
    expect(await used.containerd.ctrBytes('content', 'get', digest)).toEqual(layer);
    const made = used.daemon.log.filter(({ message }) => message === 'Diff.Diff');
    expect(made.map(({ code }) => code)).toEqual(version === '1.6' ? [] : ['OK']);
    await ctr('content', 'rm', digest);
  });

  if (backend === undefined)
    test("containerd's own snapshotter goes on as before, also where none is named", async () => {
      const own = async () =>
        (await ctr('snapshots', '--snapshotter', 'overlayfs', 'ls')).match(/Committed/g)?.length;
      if (version !== '1.6')
        expect(await ctr('plugins', 'ls', 'type==io.containerd.transfer.v1')).toMatch(/local\s.*\sok/);
      await ctr('images', 'import', '--snapshotter', 'overlayfs', used.archive);
      expect(await own()).toBe(2);
      await ctr('images', 'rm', '--sync', IMAGE);
      expect(await own()).toBeUndefined();
      await ctr('images', 'import', used.archive);
      expect(await own()).toBe(2);
    });
  else
    test('a container runs on after a restart of the daemon, and others run beside it', async () => {
      // runc has one directory for the states of all tests' containers.
      const name = `running-${process.pid}`;
      const sleep = ['/bin/busybox', 'sleep', '9999'];
      await ctr('run', '--detach', '--snapshotter', 'overlayer', IMAGE, name, ...sleep);
      await used.restartDaemon();
      await ctr('tasks', 'exec', '--exec-id', 'look', name, '/bin/sh', '-c', SEES);
      await run('beside', SEES, '--rm');
      await ctr('tasks', 'delete', '--force', name);
      await ctr('containers', 'rm', name);
    });

  test('all is gone once nothing refers to it', async () => {
    for (const name of ['changed-1', 'changed']) await snapshots('rm', name);
    for (const name of ['changing', 'layered']) await ctr('containers', 'rm', name);
    await ctr('images', 'rm', '--sync', IMAGE);
    expect(await snapshots('ls')).toBe('KEY PARENT KIND \n');
    expect(readdirSync(join(used.daemon.root, 'snapshots'))).toEqual([]);
    if (backend === 'erofs')
      for (const name of ['layers', 'mounted']) expect(readdirSync(join(used.daemon.root, name))).toEqual([]);
    await expectWholeSnapshots(used.daemon.root);
  });
});

describe.each<Version>(['1.7', '2.1'])("containerd %s with overlayer's content store as well", (version) => {
  const used = useContainerd({ version, content: 'overlayer' });
  const blobs = async () => {
    const { stdout } = await overlayer(['content', 'ls', '--json', '--root', used.daemon.root]);
    return (JSON.parse(stdout) as unknown[]).length;
  };

  test('keeps blobs there, runs what was made of them, and takes them away', async () => {
    await used.containerd.ctr('images', 'import', '--snapshotter', 'overlayer', used.archive);
    // An import does not wait for the collection of what only it needed.
    await used.containerd.ctr('leases', 'create', '--id', 'to-collect');
    await used.containerd.ctr('leases', 'rm', '--sync', 'to-collect');
    expect(await blobs()).toBe(4); // manifest, config, two layers
    const words = ['run', '--rm', '--snapshotter', 'overlayer', IMAGE, 'one', '/bin/cat', '/etc/next'];
    expect(await used.containerd.ctr(...words)).toBe('from the next\n');
    await used.containerd.ctr('images', 'rm', '--sync', IMAGE);
    expect(await blobs()).toBe(0);
  });
});
