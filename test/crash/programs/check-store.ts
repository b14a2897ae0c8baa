import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openSnapshotter, type SnapshotInfo, type Snapshotter } from '../../../src/index.js';
import { sharedFileOf, sharedLayers } from '../../../src/snapshot/store/layer-files.js';
import type { BackendName } from '../../helpers/backends.js';
import type { Claims } from '../journal.js';
import { fillSnapshot, pathsOf } from './fill-snapshot.js';
import { contentSum } from './tree-sum.js';

export interface Check {
  readonly root: string;
  readonly backend: BackendName;
  readonly claims: Claims;
  /** To see that work goes on. */
  readonly layer: string;
}

/** Opens a store after a crash, and cleans it up. @returns what is wrong with it: nothing, it is to be hoped */
export async function checkStore({ root, backend, claims, layer }: Check): Promise<string[]> {
  await using snapshots = await openSnapshotter({ root, backend });
  const problems: string[] = [];
  const { failed } = await snapshots.cleanup();
  problems.push(...failed.map(({ directory, error }) => `cleanup can't free ${directory}: ${error}`));
  for (const info of await list(snapshots)) {
    if (info.kind === 'committed') problems.push(...(await checkCommitted(snapshots, info, claims)));
    else problems.push(...(await takeAway(snapshots, info)));
  }
  const left = await list(snapshots);
  const names = new Set(left.map(({ name }) => name));
  for (const name of claims.present) if (!names.has(name)) problems.push(`${name} is lost`);
  for (const name of claims.absent) if (names.has(name)) problems.push(`${name} is back`);
  problems.push(...checkDirectories(root, left.length));
  if (backend === 'erofs') problems.push(...(await checkPool(root)));
  const { findings } = await snapshots.check();
  problems.push(...findings.map(({ kind, path, detail }) => `${kind}: ${path}: ${detail}`));
  await fillSnapshot(snapshots, { key: 'next', parent: left.at(-1)?.name, layer });
  await snapshots.commit('next', { name: 'after' });
  await snapshots.remove('after');
  return problems;
}

async function list(snapshots: Snapshotter): Promise<SnapshotInfo[]> {
  const infos: SnapshotInfo[] = [];
  for await (const info of snapshots.walk()) infos.push(info);
  return infos;
}

async function checkCommitted(
  snapshots: Snapshotter,
  { name, parent }: SnapshotInfo,
  { sums }: Claims,
): Promise<string[]> {
  if (parent !== undefined && (await snapshots.stat(parent)).kind !== 'committed')
    return [`${name} is upon ${parent}, which is not committed`];
  const sum = await sumOf(snapshots, name);
  const expected = sums[name] ?? 'nothing, it never was there';
  return sum === expected ? [] : [`${name} holds ${sum} instead of ${expected}`];
}

/** A checksum of the contents of a committed snapshot. */
export async function sumOf(snapshots: Snapshotter, name: string): Promise<string> {
  const { own } = pathsOf(await snapshots.view('look', { parent: name }));
  const sum = existsSync(own) ? await contentSum(own) : 'nothing';
  await snapshots.remove('look');
  return sum;
}

/** What a process that has died was still at work on is as good as any other of its kind. */
async function takeAway(snapshots: Snapshotter, { name }: SnapshotInfo): Promise<string[]> {
  const { own, lowers } = pathsOf(await snapshots.mounts(name));
  // A layer that was unpacked has replaced the tree: `check` knows what an active snapshot needs.
  const needed = snapshots.backend.name === 'erofs' ? lowers : [own, ...lowers];
  const missing = needed.filter((path) => !existsSync(path));
  await snapshots.remove(name);
  return missing.map((path) => `${name} lacks ${path}`);
}

/** Each layer of the pool is whole, and a snapshot has it. */
async function checkPool(root: string): Promise<string[]> {
  const problems: string[] = [];
  for (const diffID of sharedLayers(root)) {
    const file = sharedFileOf(root, diffID);
    if (statSync(file).nlink < 2) problems.push(`no snapshot has ${file}`);
    if ((await contentSum(file)) !== diffID) problems.push(`${file} is another layer`);
  }
  return problems;
}

/** Each is a snapshot's, and there is nothing else. */
function checkDirectories(root: string, count: number): string[] {
  const directories = readdirSync(join(root, 'snapshots'));
  const strange = [
    ...directories.filter((name) => !/^\d+$/.test(name)),
    ...readdirSync(root).filter((name) => !/^(snapshots|layers|metadata\.db(-lock)?)$/.test(name)),
  ];
  const problems = strange.map((name) => `${name} is left`);
  if (directories.length !== count) problems.push(`${directories.length} directories for ${count} snapshots`);
  return problems;
}
