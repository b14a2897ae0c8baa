import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSnapshotter, rebuildMetadata, type SnapshotInfo, type Snapshotter } from '../../src/index.js';
import { writeRecordFile } from '../../src/snapshot/store/snapshot-files.js';
import { BACKENDS, type BackendName } from '../helpers/backends.js';
import { failureOf } from '../helpers/sandbox.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';
import { unpackSnapshot } from '../helpers/unpack-snapshot.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const PAGE = 4096;

let root: string;
beforeEach(async () => {
  root = makeWorkDirectory();
});
afterEach(() => execFileSync('rm', ['-rf', root]));

const metadata = () => join(root, 'metadata.db');

async function use<T>(work: (snapshots: Snapshotter) => Promise<T>): Promise<T> {
  const snapshots = await openSnapshotter({ root });
  try {
    return await work(snapshots);
  } finally {
    await snapshots.close();
  }
}

/** A chain of two, of which each has something on it, and one that is no part of it. */
async function build(backend: BackendName): Promise<SnapshotInfo[]> {
  const snapshots = await openSnapshotter({ root, backend });
  const base = await unpackSnapshot(snapshots, tar(dir('d'), file('d/f', 'text')), { name: 'base' });
  await unpackSnapshot(snapshots, tar(whiteout('d')), { name: 'top', parent: 'base', lowers: [base] });
  await snapshots.prepare('work', { parent: 'top', labels: { of: 'work' } });
  await snapshots.view('look', { parent: 'base' });
  await snapshots.prepare('late');
  await snapshots.commit('late', { name: 'alone' });
  await snapshots.close();
  return describeAll();
}

/** All that is known of them, but the milliseconds. */
function describeAll(): Promise<SnapshotInfo[]> {
  return use(async (snapshots) => {
    const all = [];
    for await (const { createdAt: _, updatedAt: __, ...info } of snapshots.walk())
      all.push({ ...info, usage: await snapshots.usage(info.name), mounts: await mountsOf(snapshots, info) });
    return all as never;
  });
}

const mountsOf = (snapshots: Snapshotter, { name, kind }: Pick<SnapshotInfo, 'name' | 'kind'>) =>
  kind === 'committed' ? undefined : snapshots.mounts(name);

const checkIsClean = () => use(async (snapshots) => expect((await snapshots.check()).findings).toEqual([]));

describe.for(BACKENDS)('the backend %s', (backend) => {
  test.for<[string, () => void]>([
    ['gone', () => rmSync(metadata())],
    ['empty', () => truncateSync(metadata(), 0)],
    ['cut off', () => truncateSync(metadata(), PAGE)],
    ['overwritten', () => writeFileSync(metadata(), Buffer.alloc(statSync(metadata()).size, 0xff))],
  ])('metadata that are %s are an error, and come back', async ([how, damage]) => {
    const before = await build(backend);
    damage();
    const failure = await failureOf(openSnapshotter({ root }));
    expect(failure.code).toBe('DataLoss');
    expect(failure.hint).toContain('check --rebuild');
    const { recovered, lost, kept } = await rebuildMetadata({ root });
    expect(recovered.map(({ name }) => name).sort()).toEqual(['alone', 'base', 'look', 'top', 'work']);
    expect(lost).toEqual([]);
    expect(kept === undefined).toBe(how === 'gone');
    expect(await describeAll()).toEqual(before);
    await checkIsClean();
  });
});

test('a damaged page anywhere: what it says is right, or it comes back', async () => {
  const before = await build('overlay');
  const sound = readFileSync(metadata());
  let rebuilt = 0;
  for (let page = 0; page < sound.length / PAGE; page++) {
    const damaged = Buffer.from(sound);
    // Another pattern for each page, the same in every run.
    for (let at = 0; at < PAGE; at++) damaged[page * PAGE + at] = (at * 31 + page * 17) & 0xff;
    for (const name of readdirSync(root).filter((name) => name.startsWith('metadata.db')))
      rmSync(join(root, name));
    writeFileSync(metadata(), damaged);
    const failure = await openSnapshotter({ root }).then(
      (snapshots) => snapshots.close(),
      (error: { code: string }) => error.code,
    );
    if (failure !== undefined) {
      expect(failure).toBe('DataLoss');
      await rebuildMetadata({ root });
      rebuilt += 1;
    }
    expect(await describeAll()).toEqual(before);
  }
  expect(rebuilt).toBeGreaterThan(2);
  await checkIsClean();
});

test('ids are not given out again', async () => {
  await build('native');
  const ids = () => readdirSync(join(root, 'snapshots')).map(Number);
  const highest = Math.max(...ids());
  rmSync(metadata());
  await rebuildMetadata({ root });
  await use((snapshots) => snapshots.prepare('new'));
  expect(Math.max(...ids())).toBeGreaterThan(highest);
});

test('sound metadata are not touched', async () => {
  await build('native');
  const before = statSync(metadata()).ino;
  expect((await failureOf(rebuildMetadata({ root }))).code).toBe('FailedPrecondition');
  expect(statSync(metadata()).ino).toBe(before);
});

test('where there are no snapshots there is nothing to rebuild', async () => {
  expect((await failureOf(rebuildMetadata({ root: join(root, 'nowhere') }))).code).toBe('NotFound');
});

describe('a snapshot that can not come back is told of', () => {
  const idOf = (name: string) => {
    const snapshots = join(root, 'snapshots');
    const owner = (id: string) =>
      JSON.parse(readFileSync(join(snapshots, id, 'record'), 'utf8').split('\n')[0]!).name;
    return join(snapshots, readdirSync(snapshots).find((id) => owner(id) === name)!);
  };
  beforeEach(() => build('native'));

  test('and so are those on it', async () => {
    const base = idOf('base');
    writeFileSync(join(base, 'record'), '');
    rmSync(metadata());
    const { recovered, lost } = await rebuildMetadata({ root });
    expect(recovered.map(({ name }) => name)).toEqual(['alone']);
    expect(lost).toHaveLength(4);
    expect(lost).toContainEqual({ directory: base, reason: 'its record file is damaged' });
    expect(lost.map(({ reason }) => reason)).toContain('snapshot "top" has lost its parent "base"');
  });

  test('of two that have one name, the later is it', async () => {
    const [alone, later] = [idOf('alone'), join(root, 'snapshots/99')];
    execFileSync('cp', ['-a', alone, later]);
    const record = { id: 99, name: 'alone', kind: 'committed', parent: undefined, labels: {} } as const;
    await writeRecordFile(later, { ...record, createdAt: 1, backend: 'native' });
    rmSync(metadata());
    const { lost } = await rebuildMetadata({ root });
    expect(lost).toEqual([{ directory: alone, reason: 'a later directory, 99, is snapshot "alone"' }]);
  });

  test('a record file that is of another directory is not believed', async () => {
    const alone = idOf('alone');
    execFileSync('cp', ['-a', alone, join(root, 'snapshots/99')]);
    rmSync(metadata());
    const { lost } = await rebuildMetadata({ root });
    expect(lost).toEqual([
      { directory: join(root, 'snapshots/99'), reason: expect.stringContaining('record file is that of') },
    ]);
  });
});

test('a commit that is refused leaves the record of an active snapshot', async () => {
  const snapshots = await openSnapshotter({ root, backend: 'native' });
  await snapshots.prepare('one');
  await snapshots.prepare('two');
  const both = ['one', 'two'].map((key) => snapshots.commit(key, { name: 'same' }));
  const outcomes = await Promise.allSettled(both);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await snapshots.close();
  const before = await describeAll();
  rmSync(metadata());
  await rebuildMetadata({ root });
  expect(await describeAll()).toEqual(before);
});
