import { chmodSync, chownSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSnapshotter, type SnapshotBackend } from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

let directory: string;
let root: string;
beforeEach(() => {
  directory = makeWorkDirectory();
  root = join(directory, 'deep/root');
});
afterEach(() => rmSync(directory, { recursive: true }));

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);

describe('the root', () => {
  test('is made, and nobody else can look into it (CVE-2021-41103)', async () => {
    await using snapshots = await openSnapshotter({ root, backend: 'native' });
    await snapshots.prepare('a');
    expect([mode(root), mode(join(root, 'snapshots')), mode(join(root, 'snapshots/1'))]).toEqual([
      '700',
      '700',
      '700',
    ]);
    expect(mode(join(root, 'metadata.db'))).toBe('600');
  });

  test('is closed to others when it was open to them', async () => {
    mkdirSync(join(root, 'snapshots'), { recursive: true });
    for (const path of [root, join(root, 'snapshots')]) chmodSync(path, 0o777);
    await (await openSnapshotter({ root, backend: 'native' })).close();
    expect([mode(root), mode(join(root, 'snapshots'))]).toEqual(['700', '700']);
  });

  // Node's recursive mkdir never returns there.
  test('where no directory can be made: an error', { timeout: 20_000 }, async () => {
    await expect(openSnapshotter({ root: '/proc/none/root', backend: 'native' })).rejects.toMatchObject({
      code: 'NotFound',
    });
  });

  test('hands no group down to layers', async () => {
    mkdirSync(join(directory, 'shared'));
    chownSync(join(directory, 'shared'), 0, 7);
    chmodSync(join(directory, 'shared'), 0o2777);
    await using snapshots = await openSnapshotter({
      root: join(directory, 'shared/root'),
      backend: 'native',
    });
    const [mount] = await snapshots.prepare('a');
    expect([mode(mount!.source), statSync(mount!.source).gid]).toEqual(['755', 0]);
  });

  test('may be named by a symlink: mounts have the real path', async () => {
    mkdirSync(root, { recursive: true });
    symlinkSync(root, join(directory, 'link'));
    await using snapshots = await openSnapshotter({ root: join(directory, 'link'), backend: 'native' });
    const [mount] = await snapshots.prepare('a');
    expect(mount!.source).toBe(join(root, 'snapshots/1/fs'));
  });

  test('that is a file', async () => {
    writeFileSync(join(directory, 'file'), '');
    const opening = openSnapshotter({ root: join(directory, 'file') });
    await expect(opening).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });

  test('with damaged metadata', async () => {
    mkdirSync(root, { recursive: true });
    writeFileSync(join(root, 'metadata.db'), 'not metadata'.repeat(2000));
    const opening = openSnapshotter({ root, backend: 'native' });
    await expect(opening).rejects.toMatchObject({
      code: 'DataLoss',
      hint: expect.stringMatching('--rebuild'),
    });
  });
});

describe('the backend', () => {
  test('is the one that was there, unless it is asked for another', async () => {
    await (await openSnapshotter({ root, backend: 'native' })).close();
    await using again = await openSnapshotter({ root });
    expect(again.backend).toMatchObject({
      name: 'native',
      reason: 'the snapshots there are of this backend',
    });
    const other = openSnapshotter({ root, backend: 'overlay' });
    await expect(other).rejects.toMatchObject({
      code: 'FailedPrecondition',
      hint: expect.stringMatching('"native"'),
    });
  });

  test('of a new root can be only one, when two open it at once', async () => {
    const mine: SnapshotBackend = Object.assign(new NativeBackend(), { name: 'mine' });
    const opened = await Promise.allSettled([
      openSnapshotter({ root, backend: 'native' }),
      openSnapshotter({ root, backend: mine }),
    ]);
    expect(opened.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    for (const outcome of opened) if (outcome.status === 'fulfilled') await outcome.value.close();
  });

  test('may be one of your own, which then has to be given again', async () => {
    const mine: SnapshotBackend = Object.assign(new NativeBackend(), { name: 'mine' });
    const snapshots = await openSnapshotter({ root, backend: mine });
    expect(snapshots.backend.name).toBe('mine');
    await snapshots.close();
    await expect(openSnapshotter({ root })).rejects.toMatchObject({ code: 'InvalidArgument' });
    await (await openSnapshotter({ root, backend: mine })).close();
  });

  test('that nobody knows', async () => {
    const backend = 'zfs' as 'native';
    await expect(openSnapshotter({ root, backend })).rejects.toMatchObject({ code: 'InvalidArgument' });
  });
});

describe('whether overlayfs works', () => {
  const namespace = useNamespace('root');

  test('is tried once, and remembered as long as nothing changes', async () => {
    const tried = await namespace.inside.run(async ({ overlayer, fs, path }, directory) => {
      const root = path.join(directory, 'root');
      const opened: { changed: boolean; mounts: unknown }[] = [];
      for (const key of ['a', 'b']) {
        // The probe makes its scratch directory in the root, which shows in the root's time.
        const before = fs.existsSync(root) ? fs.statSync(root).mtimeMs : 0;
        const snapshots = await overlayer.openSnapshotter({ root, backend: 'overlay' });
        opened.push({
          changed: fs.statSync(root).mtimeMs !== before,
          mounts: snapshots.backend.capabilities,
        });
        await snapshots.prepare(key);
        await snapshots.close();
      }
      return opened;
    }, namespace.directory());
    expect(tried.map(({ changed }) => changed)).toEqual([true, false]);
    expect(tried[1]!.mounts).toEqual(tried[0]!.mounts);
  });
});

describe('a user who may not mount', () => {
  const namespace = useNamespace('none');

  test('gets native, and is told why', async () => {
    const backend = await namespace.inside.run(async ({ overlayer, path }, directory) => {
      const snapshots = await overlayer.openSnapshotter({ root: path.join(directory, 'root') });
      await snapshots.close();
      return { name: snapshots.backend.name, reason: snapshots.backend.reason };
    }, namespace.directory());
    expect(backend.name).toBe('native');
    expect(backend.reason).toMatch(/not permitted|permission|PermissionDenied|EPERM/i);
  });

  test('is told so when it has to be overlay', async () => {
    const opening = namespace.inside.run(async ({ overlayer, path }, directory) => {
      await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend: 'overlay' });
    }, namespace.directory());
    await expect(opening).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });
});
