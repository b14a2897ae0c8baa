import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OverlayerError, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import { SnapshotDirectories } from '../../src/snapshot/store/snapshot-directories.js';
import { StoredSnapshotter } from '../../src/snapshot/store/stored-snapshotter.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { buildProgram } from '../helpers/build-program.js';
import { type Fault, FaultySystem } from '../helpers/faulty-system.js';
import { MountNamespace } from '../helpers/mount-namespace.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { writeLayers } from './layers.js';
import type { Check } from './programs/check-store.js';
import type { LoseDisk, LostDisk } from './programs/lose-disk.js';

const directory = makeWorkDirectory();
const layer = writeLayers(directory)[0]!;
afterAll(() => rmSync(directory, { recursive: true }));

describe('a disk that fails: all that is read or written is refused (EIO)', () => {
  const place = join(directory, 'mounted');
  const image = join(directory, 'image');
  let namespace: MountNamespace;
  let loseDisk: string;
  let check: string;
  beforeAll(async () => {
    mkdirSync(place);
    loseDisk = await buildProgram(new URL('programs/lose-disk.ts', import.meta.url), directory);
    check = await buildProgram(new URL('programs/check.ts', import.meta.url), directory);
    namespace = await MountNamespace.start('root');
  });
  afterAll(() => namespace.close());

  const run = async (program: string, argument: LoseDisk | readonly Check[]) => {
    await namespace.run(`mount -o loop ${image} ${place}`);
    const output = await namespace
      .run(`'${process.execPath}' '${program}' '${JSON.stringify(argument)}' 2>${join(directory, 'errors')}`)
      .finally(() => namespace.run(`umount ${place}`));
    return JSON.parse(output) as unknown;
  };

  test.each([
    ['ext4', 'overlay', 'mkfs.ext4 -q -F'],
    ['xfs', 'native', 'mkfs.xfs -q -f'],
    ['ext4', 'erofs', 'mkfs.ext4 -q -F'],
  ] as const)('%s, %s', async (_fileSystem, backend, make) => {
    await namespace.run(`rm -f ${image}; truncate -s 320M ${image} && ${make} ${image}`);
    const work = { place, root: join(place, 'store'), backend, layer };
    const { outcomes, sums } = (await run(loseDisk, work)) as LostDisk;
    expect(outcomes).toEqual({
      prepare: 'DataLoss',
      view: 'DataLoss',
      commit: 'DataLoss',
      update: 'DataLoss',
      remove: 'DataLoss',
      open: 'DataLoss',
      close: 'done',
    });
    const claims = { present: ['A'], absent: [], sums };
    expect(await run(check, [{ ...work, claims }])).toEqual([]);
  });
});

describe('one call that is refused', () => {
  const real = openLinuxSystem();

  function openWith(root: string, fault?: Fault) {
    const faulty = new FaultySystem(real, fault);
    const choice = { backend: new NativeBackend(), reason: 'it was given' };
    const store = openLmdbStore(join(root, 'metadata.db'));
    const directories = new SnapshotDirectories(faulty.system, join(root, 'snapshots'));
    return { faulty, snapshots: new StoredSnapshotter(choice, store, directories) };
  }

  /** Each step, whether the one before has worked or not. @returns what was refused */
  async function live(snapshots: Snapshotter): Promise<unknown[]> {
    const steps = [
      () => snapshots.prepare('key'),
      () => snapshots.commit('key', { name: 'name' }),
      () => snapshots.view('view', { parent: 'name' }),
      () => snapshots.remove('view'),
      () => snapshots.remove('name'),
      () => snapshots.cleanup(),
    ];
    const errors: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => errors.push(error));
    return errors;
  }

  test.each(['EIO', 'ENOSPC', 'EPERM'])(
    '%s: a typed error, and nothing is left half there',
    async (errno) => {
      const root = join(directory, errno);
      await (await openSnapshotter({ root, backend: 'native' })).close();
      const { faulty, snapshots } = openWith(root);
      expect(await live(snapshots)).toEqual([]);
      await snapshots.close();
      const calls = [...faulty.calls].flatMap(([method, count]) =>
        // The first opens the directory of them all, the last closes it: before and after.
        Array.from({ length: count }, (_, index) => ({ method, call: index + 1, errno })),
      );
      const opening = { method: 'openAt', call: 1 };
      const faults = calls.filter(({ method, call }) => method !== opening.method || call !== opening.call);
      expect(faults.length).toBeGreaterThan(10);
      for (const fault of faults) {
        const { snapshots } = openWith(root, fault);
        const errors = await live(snapshots);
        await snapshots.close().catch((error: unknown) => errors.push(error));
        const where = `${fault.method} ${fault.call}`;
        expect(
          errors.filter((error) => !OverlayerError.is(error)),
          where,
        ).toEqual([]);
        await using again = await openSnapshotter({ root, backend: 'native' });
        const left = [];
        for await (const { name } of again.walk()) left.push(name);
        expect((await again.cleanup()).failed, where).toEqual([]);
        expect(readdirSync(join(root, 'snapshots')), where).toHaveLength(left.length);
        for (const name of left.reverse()) await again.remove(name);
      }
    },
  );
});
