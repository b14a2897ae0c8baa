import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type CheckOptions, OverlayerError, openSnapshotter, type Snapshotter } from '../../src/index.js';
import { NativeBackend } from '../../src/snapshot/backends/native-backend.js';
import type { TreeJob } from '../../src/snapshot/trees/tree-threads.js';
import { treeThreads } from '../../src/snapshot/trees/tree-threads.js';
import { BACKENDS, type BackendName, layerIn, TREE_BACKENDS } from '../helpers/backends.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { file, tar } from '../helpers/tar-builder.js';
import { diffTrees, readTree } from '../helpers/tree.js';
import { unpackSnapshot } from '../helpers/unpack-snapshot.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { CUT, DAMAGES, damage, LAYERS } from './damages.js';

let root: string;
let snapshots: Snapshotter;
/** Directories of the snapshots. */
let base: string;
let top: string;

async function build(backend: BackendName): Promise<void> {
  snapshots = await openSnapshotter({ root, backend });
  base = await unpackSnapshot(snapshots, LAYERS.base, { name: 'base' });
  top = await unpackSnapshot(snapshots, LAYERS.top, { name: 'top', parent: 'base', lowers: [base] });
}

beforeEach(() => {
  root = makeWorkDirectory();
});
afterEach(async () => {
  await snapshots.close();
  execFileSync('rm', ['-rf', root]);
});

const repair: CheckOptions['repair'] = ({ snapshot }) => LAYERS[snapshot as 'base' | 'top'];
const found = async (options?: CheckOptions) =>
  (await snapshots.check(options)).findings.map(({ kind, snapshot, path }) => [kind, snapshot, path]);

describe.for(BACKENDS)('the backend %s', (backend) => {
  beforeEach(() => build(backend));

  /** The layer of a snapshot on the disk, as a tree or as a file. */
  const layerOf = (directory: string) => readTree(join(directory, layerIn(backend)));
  /** A file of a layer is made again, with a new time. */
  const ignored = backend === 'erofs' ? (['mtime'] as const) : [];

  test('a store as it was made is clean', async () => {
    const report = await snapshots.check();
    expect(report).toMatchObject({
      findings: [],
      damaged: false,
      unverified: [],
      snapshots: 2,
      totalSnapshots: 2,
    });
    expect(report.bytes).toBeGreaterThan(1_000_000);
  });

  test.for(DAMAGES)('$what is found, and repaired', async (each) => {
    const directory = each.snapshot === 'base' ? base : top;
    const before = layerOf(directory);
    const wanted = damage(backend, directory, each);
    const without = (rows: unknown[][]) => rows.filter(([, , path]) => path !== '');
    expect(without(await found())).toEqual(wanted);
    const report = await snapshots.check({ repair });
    expect(report.findings.map(({ outcome }) => outcome)).toEqual(report.findings.map(() => 'repaired'));
    expect(report.damaged).toBe(false);
    expect(await found()).toEqual([]);
    expect(diffTrees(before, layerOf(directory), ignored)).toEqual([]);
    expect(readdirSync(join(root, 'snapshots')).sort()).toEqual(['1', '2']);
  });

  test.for([
    ["a snapshot's directory", ''],
    ['its layer', layerIn(backend)],
  ] as const)('%s that is gone is found, and made anew', async ([, lost]) => {
    const before = layerOf(base);
    rmSync(join(base, lost), { recursive: true });
    expect(await found()).toEqual([['missing-directory', 'base', base]]);
    await snapshots.check({ repair });
    expect(await found()).toEqual([]);
    // The root's time is that of its making.
    expect(diffTrees(before, layerOf(base)).filter((line) => !line.startsWith('.: mtime'))).toEqual([]);
  });

  test('a record file that is gone is found, and written anew', async () => {
    rmSync(join(base, 'record'));
    expect(await found()).toEqual([['record-file', 'base', join(base, 'record')]]);
    await snapshots.check({ repair: () => undefined });
    expect(await found()).toEqual([]);
  });

  test('orphans are found, and pruned', async () => {
    for (const name of ['77', 'new-abc', 'rm-5-xyz']) mkdirSync(join(root, 'snapshots', name));
    const { findings, damaged } = await snapshots.check({ prune: true });
    expect(damaged).toBe(false);
    expect(findings.map(({ kind, path, outcome }) => [kind, path.split('/').at(-1), outcome]).sort()).toEqual(
      [
        ['orphan', '77', 'pruned'],
        ['orphan', 'new-abc', 'pruned'],
        ['orphan', 'rm-5-xyz', 'pruned'],
      ],
    );
    expect(await found()).toEqual([]);
  });

  test('while others are at work it finds nothing wrong', async () => {
    let busy = true;
    const work = (async () => {
      for (let number = 0; busy; number++) {
        const key = `work ${number}`;
        await snapshots.prepare(key, { parent: 'base' });
        await snapshots.commit(key, { name: `done ${number}` });
        await snapshots.remove(`done ${number}`);
      }
    })();
    try {
      for (let round = 0; round < 20; round++) expect(await found({ quick: true })).toEqual([]);
    } finally {
      busy = false;
      await work;
    }
  });

  describe('of a damaged store', () => {
    beforeEach(() => {
      damage(backend, base, CUT);
    });

    test('it says of which layer', async () => {
      const { findings, damaged } = await snapshots.check();
      expect(damaged).toBe(true);
      expect(findings).toMatchObject([{ outcome: 'found', diffID: expect.stringMatching(/^sha256:/) }]);
    });

    test('a quick check reads nothing, and finds what is cut short', async () => {
      const { findings, bytes } = await snapshots.check({ quick: true });
      expect(findings).toHaveLength(1);
      expect(bytes).toBe(0);
    });

    test('a dry run changes nothing', async () => {
      mkdirSync(join(root, 'snapshots/77'));
      const { findings, damaged } = await snapshots.check({ repair, prune: true, dryRun: true });
      expect(findings.map(({ outcome }) => outcome)).toEqual(['would-repair', 'would-prune']);
      expect(damaged).toBe(true);
      expect(await found()).toHaveLength(2);
    });

    test('another layer is not taken', async () => {
      const { findings } = await snapshots.check({ repair: () => LAYERS.top });
      expect(findings).toMatchObject([{ outcome: 'failed', error: { code: 'DataLoss' } }]);
      expect(await found()).toHaveLength(1);
      expect(readdirSync(join(root, 'snapshots')).sort()).toEqual(['1', '2']);
    });

    test('without the layer it stays as it is', async () => {
      const { findings, damaged } = await snapshots.check({ repair: () => undefined });
      expect(findings).toMatchObject([{ outcome: 'found' }]);
      expect(damaged).toBe(true);
    });

    test('what is not damaged is not written', async () => {
      const sound = backend === 'erofs' ? join(top, 'layer.erofs') : join(base, 'fs/lib/big');
      const inode = () => execFileSync('stat', ['-c', '%i %Z', sound]).toString();
      const before = inode();
      await snapshots.check({ repair });
      expect(inode()).toBe(before);
    });
  });
});

describe.for(TREE_BACKENDS)('the backend %s', (backend) => {
  beforeEach(() => build(backend));

  test.for(['damaged', 'gone'] as const)('a manifest that is %s', async (how) => {
    const path = join(base, 'manifest');
    if (how === 'gone') rmSync(path);
    else writeFileSync(path, 'no manifest');
    expect(await found()).toEqual([['manifest', 'base', path]]);
    damage(backend, base, CUT);
    await snapshots.check({ repair });
    expect(await found()).toEqual([]);
    expect(readTree(join(base, 'fs')).get('etc/passwd')?.size).toBe(4);
  });

  test('the size of a file that is cut to nothing is told', async () => {
    damage(backend, base, CUT);
    const { findings } = await snapshots.check();
    expect(findings).toMatchObject([{ detail: expect.stringContaining('size 0 instead of 4') }]);
  });
});

describe.for(BACKENDS)('a check of the backend %s', (backend) => {
  beforeEach(() => build(backend));

  test('can be cancelled', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const checking = snapshots.check({ signal: controller.signal });
    controller.abort(reason);
    await expect(checking).rejects.toBe(reason);
  });

  test('tells how far it is', async () => {
    const seen: number[] = [];
    const checking = snapshots.check();
    for await (const progress of checking) seen.push(progress.snapshots);
    expect(seen.at(-1)).toBe(2);
    // The native backend has whole trees. The inodes of a layer file are counted: a hard link is none.
    expect((await checking).entries).toBe({ overlay: 13, native: 14, erofs: 12 }[backend]);
  });
});

describe('of mounts', () => {
  const namespace = useNamespace('root');

  test.for(BACKENDS)('%s: those of snapshots that are gone are told, and stay', async (backend) => {
    snapshots = await openSnapshotter({ root });
    const result = await namespace.inside.run(
      async ({ overlayer, fs, path }, directory, backend) => {
        const root = path.join(directory, 'root');
        const inside = await overlayer.openSnapshotter({ root, backend });
        const made = (name: string) => {
          const place = path.join(directory, name);
          fs.mkdirSync(place);
          return place;
        };
        await overlayer.mountAll(await inside.prepare('living'), made('living'));
        await overlayer.mountAll(await inside.prepare('bind'), made('bind'));
        await inside.prepare('layer');
        await inside.commit('layer', { name: 'lower' });
        await overlayer.mountAll(await inside.prepare('overlay', { parent: 'lower' }), made('overlay'));
        const before = (await inside.check()).findings.length;
        await inside.remove('bind');
        await inside.remove('overlay');
        const { findings, damaged } = await inside.check({ prune: true });
        for (const name of ['living', 'bind', 'overlay'])
          await overlayer.unmountAll(path.join(directory, name));
        const after = (await inside.check()).findings.length;
        await inside.close();
        const told = findings.map(({ kind, path, outcome }) => [kind, path.split('/').at(-1), outcome]);
        return { before, told: told.sort(), damaged, after };
      },
      namespace.directory(),
      backend,
    );
    expect(result).toEqual({
      before: 0,
      told: [
        ['stale-mount', 'bind', 'found'],
        ['stale-mount', 'overlay', 'found'],
      ],
      damaged: false,
      after: 0,
    });
  });
});

test('a snapshot of a backend that lays it out in its own way can not be judged', async () => {
  const backend = Object.assign(new NativeBackend(), { name: 'own' });
  snapshots = await openSnapshotter({ root, backend });
  await snapshots.prepare('by hand');
  await snapshots.commit('by hand', { name: 'mine' });
  await snapshots.prepare('active', { parent: 'mine' });
  expect(await snapshots.check()).toMatchObject({ findings: [], unverified: ['mine'], damaged: false });
});

describe('without privileges', () => {
  const namespace = useNamespace('none');

  test('a file that nobody may read, as /etc/shadow can be, is no damage', async () => {
    const directory = namespace.directory();
    snapshots = await openSnapshotter({ root });
    writeFileSync(
      join(directory, 'layer.tar'),
      tar(file('shadow', 'x', { mode: 0 }), file('empty', '', { mode: 0 })),
    );
    const report = await namespace.inside.run(async ({ overlayer, path }, directory) => {
      const own = await overlayer.openSnapshotter({ root: path.join(directory, 'root'), backend: 'native' });
      await overlayer.unpackSnapshot(own, path.join(directory, 'layer.tar'), { name: 'layer' });
      const { findings, unverified } = await own.check();
      await own.close();
      return { findings: findings.map(({ detail }) => detail), unverified: [...unverified] };
    }, directory);
    expect(report).toEqual({ findings: [], unverified: [] });
  });
});

test('one that is removed while it is looked at has nothing wrong', async () => {
  await build('native');
  await snapshots.prepare('key', { parent: 'base' });
  await snapshots.commit('key', { name: 'removed' });
  const run = treeThreads.run.bind(treeThreads);
  let removal: Promise<void> | undefined;
  const spy = vi.spyOn(treeThreads, 'run').mockImplementation(async (job: TreeJob) => {
    if (job.type === 'verify') {
      removal ??= snapshots.remove('removed');
      await removal;
      // As when its manifest was read before, and its tree was not.
      if (!existsSync(job.tree)) throw new OverlayerError('NotFound', 'It is gone');
    }
    return await run(job);
  });
  onTestFinished(() => spy.mockRestore());
  expect(await found({ quick: true })).toEqual([]);
});
